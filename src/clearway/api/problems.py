"""What went wrong, as `application/problem+json` (RFC 9457): the one place that turns errors into answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from clearway.kernel import ClearwayError, Retry, Unauthenticated, new_id

from .shown import shown
from .wrong import explain

MEDIA_TYPE = "application/problem+json"
_OWN = ("type", "title", "status", "detail", "where", "expected", "todo", "request_id")

log = structlog.get_logger("clearway.api")


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    kind: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """One problem document; members that are None are left out."""
    content = {"type": f"urn:clearway:problem:{kind}", "title": title, "status": status, "detail": detail}
    content |= {name: shown(value) for name, value in members.items() if value is not None}
    answer = Response(json.dumps(content, ensure_ascii=False), status, media_type=MEDIA_TYPE)
    answer.headers.update(headers or {})
    return answer


def of_error(error: ClearwayError) -> Response:
    """An error of ours: what is wrong, where, what was expected, what to do."""
    more = {name: value for name, value in error.detail.items() if name not in _OWN}
    headers = {}
    if isinstance(error, Retry):
        headers["Retry-After"] = "1"
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        error.status,
        error.title,
        error.message,
        kind=type(error).__name__.lower(),
        headers=headers,
        where=error.where,
        expected=error.expected,
        todo=error.todo,
        **more,
    )


def of_validation(error: RequestValidationError, body: type[BaseModel] | None = None) -> Response:
    """A request that does not have the form the route asks for: every problem, with what was expected."""
    found = explain(error.errors(), body)
    first = found[0]
    rest = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    form = f"{body.__name__} in /openapi.json" if body is not None else "/openapi.json"
    return problem(
        422,
        "The input is not valid",
        first["message"] + rest,
        kind="invalid",
        where=first["where"],
        expected=first.get("expected"),
        given=first.get("given"),
        todo=f"See {form} for what this route takes.",
        problems=found,
    )


def _body_of(request: Request) -> type[BaseModel] | None:
    """The form of the body that the route asks for."""
    field = getattr(request.scope.get("route"), "body_field", None)
    form = getattr(getattr(field, "field_info", None), "annotation", None)
    return form if isinstance(form, type) and issubclass(form, BaseModel) else None


def of_http(error: HTTPException) -> Response:
    """What the router itself refuses: no such path, method not allowed."""
    title = HTTPStatus(error.status_code).phrase
    detail = str(error.detail)
    todo = None
    if error.status_code == 404:
        detail, todo = "there is nothing at this address", "See /openapi.json for what there is."
    return problem(error.status_code, title, detail, kind="http", headers=error.headers, todo=todo)


def of_surprise(error: BaseException, request_id: str) -> Response:
    """Something nobody foresaw: an id to ask about, the same in the log; never a traceback."""
    number = new_id("err")
    log.error("unexpected error", error_id=number, request_id=request_id, exc_info=error)
    return problem(
        500,
        "It failed",
        "something unexpected happened; it is in the server's log",
        kind="unexpected",
        todo=f"Look for {number} in the server's log, or send it to whoever runs Clearway.",
        error_id=number,
    )


def refusal(message: str, gates: Sequence[Any], **members: Any) -> dict[str, Any]:
    """The problem of a promotion that is refused: which gates, why, and what would change their mind."""
    return {
        "type": "urn:clearway:problem:gate",
        "title": "A gate said no" if gates else "The plan cannot be carried out",
        "status": 409,
        "detail": message,
        "gates": list(gates),
        **members,
    }


async def on_error(_request: Request, error: Exception) -> Response:
    """Exception handler for ClearwayError."""
    if not isinstance(error, ClearwayError):
        raise error
    return of_error(error)


async def on_validation(request: Request, error: Exception) -> Response:
    """Exception handler for requests of the wrong form."""
    if not isinstance(error, RequestValidationError):
        raise error
    return of_validation(error, _body_of(request))


async def on_http(_request: Request, error: Exception) -> Response:
    """Exception handler for the router's own refusals."""
    if not isinstance(error, HTTPException):
        raise error
    return of_http(error)
