"""The live stream: the ledger's tail as server-sent events; the id of an event is the entry's index."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from clearway import access, ledger
from clearway.api.ask import Ask, Asked
from clearway.api.guard import Guarded, needs
from clearway.api.shown import as_text, shown
from clearway.api.visible import Reader
from clearway.kernel import ClearwayError, Invalid
from clearway.storage import Database

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["events"])

LOOK_EVERY_S = 0.2
BEAT_EVERY_S = 15.0
BATCH = 200
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Tail:
    """The ledger's end, looked up at most five times a second however many listen."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._looked = 0.0
        self._last = -1

    def last(self) -> int:
        """The index of the newest entry; -1 when there is none."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY_S:
                with self._database.read() as uow:
                    newest = ledger.entries(uow, limit=1, newest_first=True).items
                self._last = newest[0].index if newest else -1
                self._looked = time.monotonic()
            return self._last


@router.get("/events", response_class=StreamingResponse, **needs("platform:read", "text/event-stream"))
async def events(
    ask: Asked,
    last_event_id: Annotated[str | None, Header(description="Resume after this entry.")] = None,
    after: Annotated[
        int | None, Query(ge=-1, description="The same, for clients that set no header.")
    ] = None,
) -> StreamingResponse:
    """What happens, as it happens; only what the reader may see."""
    tail: Tail = ask.request.app.state.tail
    seen = _start(last_event_id, after)
    if seen is None:
        seen = await run_in_threadpool(tail.last)
    return StreamingResponse(_stream(ask, tail, seen), media_type="text/event-stream", headers=HEADERS)


def _start(last_event_id: str | None, after: int | None) -> int | None:
    if not last_event_id:
        return after
    try:
        return int(last_event_id)
    except ValueError:
        raise Invalid("the Last-Event-ID is not one of ours", expected="the index of an entry") from None


async def _stream(ask: Ask, tail: Tail, seen: int) -> AsyncIterator[str]:
    yield f"retry: 2000\nid: {seen}\n\n"
    quiet = time.monotonic()
    while True:
        if await run_in_threadpool(tail.last) > seen:
            try:
                seen, lines = await run_in_threadpool(_batch, ask, seen)
            except ClearwayError:
                return  # the token was revoked meanwhile, or the database is away: the client comes again
            for line in lines:
                yield line
            quiet = time.monotonic()
            continue
        if time.monotonic() - quiet >= BEAT_EVERY_S:
            yield f": still here\nid: {seen}\n\n"
            quiet = time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)


def _batch(ask: Ask, seen: int) -> tuple[int, list[str]]:
    with ask.database.read() as uow:
        access.authenticate(uow, ask.bearer)
        found = ledger.entries(uow, after=seen, limit=BATCH).items
        reader = Reader(uow, ask.actor)
        lines = [
            f"id: {entry.index}\nevent: {entry.action}\ndata: {as_text(shown(entry))}\n\n"
            for entry in found
            if reader.sees(entry)
        ]
    return (found[-1].index if found else seen), lines
