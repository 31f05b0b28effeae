"""Logs of builds: while they grow, by line, by a text in them, as a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from clearway import access, build
from clearway.api.ask import Ask, Asked
from clearway.api.guard import Guarded, needs
from clearway.api.shown import shown
from clearway.kernel import ClearwayError

router = APIRouter(prefix="/v1/builds/{build_id}/log", route_class=Guarded, tags=["builds"])

LOOK_EVERY_S = 0.2
BEAT_EVERY = 75  # looks without news
PIECE = 8 << 20


@router.get("", **needs("build:read", ("text/plain", "text/event-stream"), errors=(404,)))
def log(
    ask: Asked,
    build_id: str,
    offset: Annotated[int, Query(ge=0, description="In bytes: where to go on.")] = 0,
    download: Annotated[bool, Query(description="All of it as a file, without colours.")] = False,
) -> Response:
    """The log as text, up to 8 MiB at once; with `Accept: text/event-stream` until the build has ended.

    The header `Clearway-Log-Offset` says where the next piece begins, `Clearway-Log-Complete` whether there
    will be one. Of a terminal's orders only those that set colours are in it.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if download:
        with ask.database.read() as uow:
            text = build.whole_log(uow, build_id)
        headers["Content-Disposition"] = f'attachment; filename="{build_id}.log"'
        return StreamingResponse(text, media_type="text/plain; charset=utf-8", headers=headers)
    if "text/event-stream" in ask.request.headers.get("accept", ""):
        with ask.database.read() as uow:
            build.get(uow, build_id)
        return StreamingResponse(
            follow(ask, build_id, offset), media_type="text/event-stream", headers=headers
        )
    with ask.database.read() as uow:
        part = build.log(uow, build_id, offset, PIECE)
    headers |= {
        "Clearway-Log-Offset": str(part.offset),
        "Clearway-Log-Complete": "yes" if part.complete else "no",
    }
    return PlainTextResponse(part.text, headers=headers)


@router.get("/lines", **needs("build:read", "LogLines", errors=(404,)))
def lines(
    ask: Asked,
    build_id: str,
    first: Annotated[int, Query(alias="from", description="1 is the first, -1 the last.")] = 1,
    count: Annotated[int, Query(description="How many.")] = 500,
) -> Response:
    """Some lines of the log by their numbers; nothing before them is read."""
    return ask.read(lambda uow: shown(build.log_lines(uow, build_id, first, count)))


@router.get("/search", **needs("build:read", "LogHits", errors=(404,)))
def search(
    ask: Asked,
    build_id: str,
    text: Annotated[str, Query(max_length=200, description="What a line shall hold, in any case.")] = "",
    step: Annotated[str, Query(max_length=200, description="Only lines of this step.")] = "",
    after: Annotated[int, Query(ge=0, description="Only lines with a higher number.")] = 0,
    limit: Annotated[int, Query(description="At most so many lines.")] = 200,
) -> Response:
    """Lines of the whole log that hold a text, or are of a step."""
    return ask.read(
        lambda uow: shown(build.search_log(uow, build_id, text, step=step, after=after, limit=limit))
    )


@router.get("/failing", **needs("build:read", "FailingLines", errors=(404,)))
def failing(ask: Asked, build_id: str) -> Response:
    """Of a build that failed: the lines of its failed step that say why."""
    return ask.read(lambda uow: {"items": [shown(each) for each in build.failing_lines(uow, build_id)]})


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
            lines = "data: " + part.text.removesuffix("\n").replace("\n", "\ndata: ")
            yield f"id: {offset}\n{lines}\n\n"
            quiet = 0
        if part.complete:
            yield f"event: end\ndata: {await run_in_threadpool(ending)}\n\n"
            return
        if part.text:
            continue  # there may be more
        quiet += 1
        if quiet % BEAT_EVERY == 0:
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_EVERY_S)
