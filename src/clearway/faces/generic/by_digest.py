"""`/artifacts/sha256:...`: what was built, its bytes hashed again before the first of them leaves.

Rules:
1. A token with artifact:read, also for HEAD.
2. Bytes that changed on disk are never sent.
3. An artifact never changes under its address, so it may be kept for ever by the client that got it.
"""

from __future__ import annotations

import base64
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from clearway import access, artifacts
from clearway.kernel import Invalid, Unauthenticated, is_digest
from clearway.storage import Blobs, Database


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
