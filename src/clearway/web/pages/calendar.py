"""The calendar: where promotions may move now, why not, when next; every window and freeze."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import Response

from clearway import catalog, releases
from clearway.web.visit import Visit


def show(visit: Visit) -> Response:
    """The answers for one service (windows and freezes may name services), then the calendars themselves."""
    with visit.database.read() as uow:
        services = [each.name for each in catalog.services(uow)]
        chosen = visit.query("service") or (services[0] if services else None)
        stops: list[dict[str, Any]] = []
        if chosen is not None:
            catalog.service(uow, chosen)
            places = {each.name: each for each in catalog.environments(uow)}
            for name in catalog.route_of(uow, chosen).environments:
                answer = releases.open_now(uow, chosen, name)
                stops.append({"place": places[name], "answer": answer})
        calendars = releases.all_calendars(uow)
        now = uow.now()
    shown = [
        {"calendar": each, "freezes": [_freeze(freeze, each.zone, now) for freeze in each.freezes]}
        for each in calendars
    ]
    template = "parts/calendar.html" if visit.partial else "calendar.html"
    return visit.page(template, services=services, chosen=chosen, stops=stops, calendars=shown, now=now)


def _freeze(freeze: Any, zone: str, now: datetime) -> dict[str, Any]:
    """A freeze, and whether it is over, holds now, or comes; weekly and holiday ones always come again."""
    if freeze.start is None or freeze.end is None:
        return {"freeze": freeze, "state": "again", "start": None, "end": None}
    start, end = (
        datetime.fromisoformat(each.replace(" ", "T")).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for each in (freeze.start, freeze.end)
    )
    state = "over" if end <= now else "now" if start <= now else "coming"
    return {"freeze": freeze, "state": state, "start": start, "end": end}
