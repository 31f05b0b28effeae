"""Errors as answers: problem+json, or a line of plain text for clients that show what they get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from clearway.kernel import ClearwayError, Unauthenticated

REALM = 'Basic realm="Clearway"'


def _headers(error: ClearwayError, challenge: str) -> dict[str, str]:
    return {"WWW-Authenticate": challenge} if isinstance(error, Unauthenticated) else {}


def problem(error: Exception, challenge: str = REALM, more: Mapping[str, Any] | None = None) -> Response:
    """The error as problem+json; what is none of ours is raised again."""
    if not isinstance(error, ClearwayError):
        raise error
    content: dict[str, Any] = {
        "type": f"urn:clearway:problem:{type(error).__name__.lower()}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        **(more or {}),
    }
    content |= {name: value for name in ("expected", "todo") if (value := getattr(error, name))}
    media_type = "application/problem+json"
    return Response(json.dumps(content), error.status, _headers(error, challenge), media_type=media_type)


def text(error: Exception, challenge: str = REALM) -> Response:
    """The error as one line of plain text."""
    if not isinstance(error, ClearwayError):
        raise error
    parts = [error.message]
    parts += [f"expected {error.expected}"] if error.expected else []
    parts += [error.todo] if error.todo else []
    line = "; ".join(parts).replace("\n", " ")
    return Response(line + "\n", error.status, _headers(error, challenge), media_type="text/plain")


def hang_up(request: Request, answer: Response) -> Response:
    """A refusal after which nobody waits for ever.

    A client that waits to be told to go on with its body keeps the connection when it is refused instead, and
    its next request on it would be read as that body.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        answer.headers["Connection"] = "close"
    return answer
