"""Bytes out: sent from the file, in the part that was asked for, never when they changed on the disk."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from clearway import artifacts


def send(
    request: Request, file: artifacts.File, path: Path, headers: Mapping[str, str] | None = None
) -> Response:
    """A registry's file, or the part that Range asks for; 304 when the client has it."""
    sha = bytes.fromhex(file.digest.removeprefix("sha256:"))
    fixed = {
        "ETag": f'"{file.digest}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(sha).decode()}:",
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    if fixed["ETag"] in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=fixed)
    return FileResponse(path, headers=fixed, media_type=file.media_type)
