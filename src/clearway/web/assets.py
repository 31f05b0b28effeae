"""Static files: read once, named by their digest, so that browsers may keep them for a year."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from clearway.kernel import NotFound

FOLDER = Path(__file__).parent / "static"
_SERVED = {".css", ".js", ".svg"}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file."""

    content: bytes
    kind: str
    mark: str  # the beginning of its digest


def read_assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Every file that pages may load, by its path below the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in _SERVED:
            content = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            name = path.relative_to(folder).as_posix()
            found[name] = Asset(content, kind, sha256(content).hexdigest()[:16])
    return found


def serve(request: Request) -> Response:
    """`/static/<mark>/<name>`; an old mark still gets the file, but nobody may keep that answer."""
    asset: Asset | None = request.app.state.assets.get(request.path_params["name"])
    if asset is None:
        raise NotFound("there is no such file")
    fresh = request.path_params["mark"] == asset.mark
    headers = {"Cache-Control": _FOREVER if fresh else "no-cache"}
    return Response(asset.content, media_type=asset.kind, headers=headers)
