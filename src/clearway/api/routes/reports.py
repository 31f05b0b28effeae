"""What tests and scanners of a build left."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from clearway import artifacts, build
from clearway.api.ask import Asked
from clearway.api.guard import Guarded, needs
from clearway.kernel import NotFound
from clearway.storage import Blobs, UnitOfWork

router = APIRouter(prefix="/v1/builds/{build_id}/reports", route_class=Guarded, tags=["builds"])


@router.get("", **needs("build:read", "ReportList", errors=(404,)))
def reports(ask: Asked, build_id: str) -> Response:
    """Test results, coverage and findings of a build, also of one that failed."""

    def look(uow: UnitOfWork) -> object:
        build.get(uow, build_id)
        return {"items": build.reports_of(uow, build_id)}

    return ask.read(look)


@router.get("/{digest}", **needs("build:read", "application/octet-stream", errors=(404,)))
def one(ask: Asked, build_id: str, digest: str) -> Response:
    """A report as it was left. Somebody's build wrote it: it comes as a download, never as a page."""
    with ask.database.read() as uow:
        build.get(uow, build_id)
        found = [each for each in build.reports_of(uow, build_id) if digest and each.digest == digest]
        blobs = uow.tool(Blobs)
    if not found:
        raise NotFound(f"build {build_id} left no report with the digest {digest}")
    return FileResponse(
        artifacts.path_of(blobs, digest),
        media_type="application/octet-stream",
        filename=found[0].name.rpartition("/")[2],
        headers={"X-Content-Type-Options": "nosniff"},
    )
