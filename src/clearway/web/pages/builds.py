"""Builds: the list, and one build with its log while it grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from clearway import access, build, catalog
from clearway.kernel import ClearwayError
from clearway.web.guard import COOKIE, who
from clearway.web.timeline import timeline
from clearway.web.visit import Visit

LOOK_EVERY_S = 0.3
BEATS = 50  # looks without news until a sign of life
PIECE = 256 << 10


def index(visit: Visit) -> Response:
    """Builds, newest first."""
    service, status = visit.query("service"), visit.query("status")
    with visit.database.read() as uow:
        found = build.list(uow, service=service, status=status, after=visit.query("after"), limit=50)
        places = build.spots(uow, [each.id for each in found.items if each.status == "queued"])
    template = "parts/builds.html" if visit.partial else "builds.html"
    return visit.page(
        template,
        builds=found.items,
        places=places,
        following=found.next_cursor,
        filters={"service": service, "status": status},
    )


def trusted(visit: Visit) -> Response:
    """Other CI systems whose jobs may vouch for what they built."""
    with visit.database.read() as uow:
        return visit.page("trusted-ci.html", found=catalog.trusted_cis(uow))


def show(visit: Visit) -> Response:
    """One build."""
    with visit.database.read() as uow:
        found = build.get(uow, visit.part("id"))
        may_run = visit.may(uow, "build:run", service=found.service)
        failing = _failing(uow, found)
        reports = build.reports_of(uow, found.id)
        stages = build.stages(uow, found.id)
        attempts = build.reproductions(uow, build_id=found.id, limit=5).items
        spot = build.spot_of(uow, found.id) if found.status == "queued" else None
    template = "parts/build-live.html" if visit.partial else "build.html"
    return visit.page(
        template,
        build=found,
        spot=spot,
        may_run=may_run,
        failing=failing,
        reports=reports,
        attempts=attempts,
        rebuilt_words=build.WORDS,
        timeline=timeline(stages, visit.database.clock()),
    )


def again(visit: Visit) -> Response:
    """Do it again: what had not ended well, from a step on, or all of it."""
    with visit.database.begin() as uow:
        made = build.again(uow, visit.actor, visit.part("id"), anew=visit.said("anew") or None)
    return visit.go(f"/builds/{made.id}", "The build is queued.")


def _failing(uow: Any, found: build.Build) -> list[str]:
    """The last lines of the step that failed: what people came to read."""
    if found.status != "failed":
        return []
    part = build.log(uow, found.id, 0, 8 << 20)
    lines = part.text.splitlines()
    steps = [line.partition(" | ")[0] for line in lines]
    own = [name for name in steps if name not in ("build", "log")]
    last = own[-1] if own else (steps[-1] if steps else "")
    return [line for line, name in zip(lines, steps, strict=True) if name == last][-20:]


def cancel(visit: Visit) -> Response:
    """Stop it."""
    with visit.database.begin() as uow:
        build.cancel(uow, visit.actor, visit.part("id"), visit.said("reason"))
    return visit.go(f"/builds/{visit.part('id')}", "Asked to stop.")


async def follow(visit: Visit) -> Response:
    """The log as server-sent events; a browser that comes again goes on where it was."""
    sent = visit.request.headers.get("last-event-id") or visit.query("offset") or "0"
    offset = int(sent) if sent.isdigit() and len(sent) < 15 else 0
    first = await run_in_threadpool(_read, visit, offset)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_pieces(visit, first), media_type="text/event-stream", headers=headers)


def _read(visit: Visit, offset: int) -> build.LogPart:
    with visit.database.read() as uow:
        # A log can run for hours: whose session ended meanwhile reads no further.
        principal, _ = who(uow, visit.request.cookies.get(COOKIE, ""))
        access.require(uow, principal.actor, "build:read")
        return build.log(uow, visit.part("id"), offset, PIECE)


async def _pieces(visit: Visit, part: build.LogPart) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    quiet = 0
    while True:
        if part.text:
            lines = json.dumps(part.text.splitlines(), ensure_ascii=False)
            yield f"id: {part.offset}\nevent: lines\ndata: {lines}\n\n"
            quiet = 0
        if part.complete:
            yield "event: end\ndata: {}\n\n"
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
