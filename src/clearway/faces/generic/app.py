"""`/artifacts/sha256:...`: the bytes, hashed again before the first of them leaves.

Rules:
1. A token with artifact:read, also for HEAD.
2. Bytes that changed on disk are never sent.
3. An artifact never changes under its address, so it may be kept for ever by the client that got it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from clearway import access, artifacts
from clearway.kernel import ClearwayError, Invalid, Unauthenticated, is_digest
from clearway.storage import Blobs, Database


def create_app(database: Database) -> Starlette:
    """The application over one database and its blobs."""
    app = Starlette(
        routes=[Route("/artifacts/{digest}", send, methods=["GET"])],
        exception_handlers={ClearwayError: refuse},
    )
    app.state.database = database
    return app


async def send(request: Request) -> Response:
    """The artifact's bytes, or the part that Range asks for."""
    artifact, path = await run_in_threadpool(_find, request)
    sha = bytes.fromhex(artifact.digest.removeprefix("sha256:"))
    headers = {
        "ETag": f'"{artifact.digest}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(sha).decode()}:",
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match", "").strip() == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(
        path,
        headers=headers,
        media_type="application/octet-stream",
        filename=artifact.name,
        content_disposition_type="attachment",
    )


def _find(request: Request) -> tuple[artifacts.Artifact, Path]:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("this needs a token", expected="Authorization: Bearer cwy_...")
    digest = request.path_params["digest"]
    database: Database = request.app.state.database
    with database.read() as uow:
        actor = access.authenticate(uow, bearer.strip()).actor
        access.require(uow, actor, "artifact:read")
        if not is_digest(digest):
            raise Invalid("this is no digest", expected="sha256: and 64 hexadecimal digits")
        found = artifacts.get(uow, digest)
    return found, artifacts.path_of(database.tool(Blobs), digest)


async def refuse(_request: Request, error: Exception) -> Response:
    """An error as problem+json."""
    if not isinstance(error, ClearwayError):
        raise error
    content: dict[str, Any] = {
        "type": f"urn:clearway:problem:{type(error).__name__.lower()}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
    }
    content |= {name: value for name in ("expected", "todo") if (value := getattr(error, name))}
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    return Response(json.dumps(content), error.status, headers, media_type="application/problem+json")
