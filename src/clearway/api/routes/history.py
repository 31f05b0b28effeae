"""Who changed a file or a line, and everything that is known of one commit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import releases, source
from clearway.api.ask import Asked
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor
from clearway.api.shown import shown
from clearway.releases import MOST_AUDITED

router = APIRouter(prefix="/v1/services", route_class=Guarded, tags=["source"])


@router.get("/{service}/history", **needs("release:read", "Audit", errors=(404, 409)))
def history(
    ask: Asked,
    service: str,
    path: Annotated[
        str,
        Query(max_length=4096, description="A file or folder of the repository; `a.py:12` is a line."),
    ],
    line: Annotated[str, Query(max_length=20, description="A line, or some: 12 or 10-20.")] = "",
    ref: Annotated[
        str, Query(max_length=255, description="As of this branch, tag or commit; the service's branch.")
    ] = "",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AUDITED, description="Changes on a page.")] = 50,
) -> Response:
    """Every change to a file or lines of it, newest first, across renames: by whom, what became of it."""
    spot = source.parse_spot(path, line)
    return ask.read(
        lambda uow: shown(
            releases.audit(uow, ask.actor, service, spot, ref=ref, after=cursor, limit=limit),
        )
    )


@router.get("/{service}/commits/{commit}", **needs("release:read", "CommitPage", errors=(404, 409)))
def one(ask: Asked, service: str, commit: str) -> Response:
    """One commit: its people, files, pull request, tickets, builds, releases, and where it runs."""
    return ask.read(lambda uow: shown(releases.about_commit(uow, ask.actor, service, commit)))
