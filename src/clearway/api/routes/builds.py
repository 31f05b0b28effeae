"""Builds; their logs are in `logs`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import build
from clearway.api.ask import Answer, Asked
from clearway.api.bodies import AgainBody, BuildBody, ReasonBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.shown import shown
from clearway.storage import Page, UnitOfWork

router = APIRouter(prefix="/v1/builds", route_class=Guarded, tags=["builds"])

_HIDDEN = ("log_path",)  # where the server keeps its files is nobody's business


def show(found: build.Build, spot: build.Spot | None = None) -> dict[str, Any]:
    """A build as the API shows it, with its place in the queue when it waits there."""
    made: dict[str, Any] = shown(found, without=_HIDDEN)
    return {**made, "queue": shown(spot)}


def placed(uow: UnitOfWork, found: build.Build) -> dict[str, Any]:
    """A build as it is now, with its place in the queue."""
    return show(found, build.spot_of(uow, found.id) if found.status == "queued" else None)


@router.post("", status_code=202, **needs("build:run", "Build", errors=(404, 409)))
def request(ask: Asked, body: BuildBody) -> Response:
    """Queue a build of a branch, tag or commit."""

    def act(uow: UnitOfWork) -> Answer:
        made = build.request(uow, ask.actor, body.service, body.ref, twice=body.twice)
        return Answer(placed(uow, made), 202, f"/v1/builds/{made.id}")

    return ask.write(act)


@router.get("", **needs("build:read", "BuildPage"))
def builds(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    status: Annotated[str | None, Query(max_length=20)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Builds, newest first."""

    def look(uow: UnitOfWork) -> Page[dict[str, Any]]:
        page = build.list(uow, service=service, status=status, after=cursor, limit=limit)
        places = build.spots(uow, [each.id for each in page.items if each.status == "queued"])
        return Page([show(each, places.get(each.id)) for each in page.items], page.next_cursor)

    return read_page(ask, look)


@router.get("/{build_id}", **needs("build:read", "Build", errors=(404,)))
def one(ask: Asked, build_id: str) -> Response:
    """One build."""
    return ask.read(lambda uow: placed(uow, build.get(uow, build_id)))


@router.post("/{build_id}/cancel", **needs("build:run", "Build", errors=(404, 409)))
def cancel(ask: Asked, build_id: str, body: ReasonBody) -> Response:
    """Stop a build: at once while it waits, within a second while it runs."""
    return ask.write(lambda uow: placed(uow, build.cancel(uow, ask.actor, build_id, body.reason)))


@router.post("/{build_id}/again", status_code=202, **needs("build:run", "Build", errors=(404, 409)))
def again(ask: Asked, build_id: str, body: AgainBody) -> Response:
    """Build the same commit again. Steps that ended well are answered by what they made, but for `anew`."""

    def act(uow: UnitOfWork) -> Answer:
        made = build.again(uow, ask.actor, build_id, anew=body.anew)
        return Answer(placed(uow, made), 202, f"/v1/builds/{made.id}")

    return ask.write(act)


@router.get("/{build_id}/stages", **needs("build:read", "StageList", errors=(404,)))
def stages(ask: Asked, build_id: str) -> Response:
    """What the build did when, also while it runs."""

    def look(uow: UnitOfWork) -> object:
        build.get(uow, build_id)
        return {"items": [{**shown(each), "seconds": each.seconds} for each in build.stages(uow, build_id)]}

    return ask.read(look)
