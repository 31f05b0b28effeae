"""Builds, and their logs while they grow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from clearway import access, build
from clearway.api.ask import Answer, Ask, Asked
from clearway.api.bodies import AgainBody, BuildBody, ReasonBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.shown import shown
from clearway.kernel import ClearwayError
from clearway.storage import Page, UnitOfWork

router = APIRouter(prefix="/v1/builds", route_class=Guarded, tags=["builds"])

LOOK_EVERY_S = 0.25
BEAT_EVERY = 60  # looks without news
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


@router.get("/{build_id}/log", **needs("build:read", ("text/plain", "text/event-stream"), errors=(404,)))
def log(
    ask: Asked,
    build_id: str,
    offset: Annotated[int, Query(ge=0, description="In bytes: where to go on.")] = 0,
) -> Response:
    """The log as text; with `Accept: text/event-stream` line by line until the build has ended."""
    if "text/event-stream" in ask.request.headers.get("accept", ""):
        with ask.database.read() as uow:
            build.get(uow, build_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            follow(ask, build_id, offset), media_type="text/event-stream", headers=headers
        )
    parts = list(_parts(ask, build_id, offset))
    last = parts[-1]
    headers = {
        "Cache-Control": "no-store",
        "Clearway-Log-Offset": str(last.offset),
        "Clearway-Log-Complete": "yes" if last.complete else "no",
    }
    return PlainTextResponse("".join(part.text for part in parts), headers=headers)


def _parts(ask: Ask, build_id: str, offset: int) -> Iterator[build.LogPart]:
    while True:
        with ask.database.read() as uow:
            part = build.log(uow, build_id, offset)
        yield part
        if part.complete or not part.text:
            return
        offset = part.offset


async def follow(ask: Ask, build_id: str, offset: int) -> AsyncIterator[str]:
    """The log as server-sent events, as long as who reads it may."""

    def look(start: int) -> build.LogPart:
        with ask.database.read() as uow:
            actor = access.authenticate(uow, ask.bearer).actor
            access.require(uow, actor, "build:read")
            return build.log(uow, build_id, start)

    def ending() -> str:
        with ask.database.read() as uow:
            found = build.get(uow, build_id)
        return json.dumps({"status": found.status, "error": found.error})

    quiet = 0
    while True:
        try:
            part = await run_in_threadpool(look, offset)
        except ClearwayError:
            return  # the token was revoked meanwhile, or the database is away: the client comes again
        offset = part.offset
        if part.text:
            lines = "".join(f"data: {line}\n" for line in part.text.splitlines())
            yield f"id: {offset}\n{lines}\n"
            quiet = 0
        if part.complete:
            yield f"event: end\ndata: {await run_in_threadpool(ending)}\n\n"
            return
        quiet += 1
        if quiet % BEAT_EVERY == 0:
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_EVERY_S)
