"""A build's log on its page: while it grows, around a line, searched, as a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from clearway import access, build
from clearway.kernel import ClearwayError, Invalid
from clearway.web.guard import COOKIE, who
from clearway.web.visit import Visit

LOOK_EVERY_S = 0.2
BEATS = 75  # looks without news until a sign of life
PIECE = 256 << 10
WINDOW = 5000  # lines that a page shows at first, or around a line
HITS = 200


def search(visit: Visit) -> Response:
    """Lines of the whole log that hold a text."""
    text, step, after = visit.query("text") or "", visit.query("step") or "", visit.query("after") or "0"
    problem, found = None, None
    with visit.database.read() as uow:
        one = build.get(uow, visit.part("id"))
        if text or step:
            try:
                number = int(after) if after.isdigit() and len(after) < 15 else 0
                found = build.search_log(uow, one.id, text, step=step, after=number, limit=HITS)
            except Invalid as error:
                problem = str(error)
    template = "parts/log-hits.html" if visit.partial else "log-search.html"
    return visit.page(template, build=one, found=found, problem=problem, text=text, step=step)


def download(visit: Visit) -> Response:
    """All of it as a file of text."""
    with visit.database.read() as uow:
        text = build.whole_log(uow, visit.part("id"))
    headers = {
        "Content-Disposition": f'attachment; filename="{visit.part("id")}.log"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(text, media_type="text/plain; charset=utf-8", headers=headers)


async def follow(visit: Visit) -> Response:
    """The log as server-sent events; a browser that comes again goes on where it was."""
    offset, number = await run_in_threadpool(_begin, visit)
    first = await run_in_threadpool(_read, visit, offset)
    line = _number(visit.query("line"))
    until = None if line is None else number + WINDOW
    headers = {"X-Accel-Buffering": "no"}
    pieces = _pieces(visit, first, number, until)
    return StreamingResponse(pieces, media_type="text/event-stream", headers=headers)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) < 15 else None


def _begin(visit: Visit) -> tuple[int, int]:
    """Where to go on: the offset, and the number of the line there."""
    with visit.database.read() as uow:
        identity = build.get(uow, visit.part("id")).id
        offset = _number(visit.request.headers.get("last-event-id"))
        if offset is not None:
            return offset, build.log_line_at(uow, identity, offset)
        return build.log_window(uow, identity, _number(visit.query("line")), WINDOW)


def _read(visit: Visit, offset: int) -> build.LogPart:
    with visit.database.read() as uow:
        # A log can run for hours: whose session ended meanwhile reads no further.
        principal, _ = who(uow, visit.request.cookies.get(COOKIE, ""))
        access.require(uow, principal.actor, "build:read")
        return build.log(uow, visit.part("id"), offset, PIECE)


async def _pieces(visit: Visit, part: build.LogPart, number: int, until: int | None) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    quiet = 0
    while True:
        if part.text:
            lines = part.text.removesuffix("\n").split("\n")
            data = json.dumps({"first": number, "lines": lines}, ensure_ascii=False)
            yield f"id: {part.offset}\nevent: lines\ndata: {data}\n\n"
            number += len(lines)
            quiet = 0
        if part.complete or (until is not None and number >= until):
            more = None if part.complete else number
            yield f"event: end\ndata: {json.dumps({'more': more})}\n\n"
            return
        if not part.text:
            quiet += 1
            if quiet % BEATS == 0:
                yield ": still here\n\n"
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            part = await run_in_threadpool(_read, visit, part.offset)
        except ClearwayError:
            return  # the browser comes again by itself
