"""What runs where: services by environments, and what wants somebody's attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from starlette.responses import Response

from clearway import catalog, incidents, releases
from clearway.web.visit import Visit

ROWS = 50


def show(visit: Visit) -> Response:
    """The grid, a page of it at a time; searched by service or team."""
    snapshot: releases.Overview = visit.request.app.state.snapshot.overview()
    with visit.database.read() as uow:
        places = visit.places(uow, "deployment:read")
        kinds = {each.name: each.kind for each in catalog.environments(uow)}
        stops = {each.name: each.environments for each in catalog.routes(uow)}
        burning = [
            each
            for each in incidents.incidents(uow, lasting=True, limit=20).items
            if each.restored_at is None and visit.may(uow, "incident:read", environment=each.environment)
        ]
    wanted = (visit.query("q") or "").lower()
    rows = [row for row in snapshot.services if wanted in row.service.lower() or wanted in row.team.lower()]
    columns = [name for name in snapshot.environments if name in places]
    attention = _attention(rows, columns)
    only = visit.query("show") == "attention"
    if only:
        named = {each["service"] for found in attention.values() for each in found}
        named |= {each.service for each in burning}
        rows = [row for row in rows if row.service in named]
    number = _page(visit.query("page"), len(rows))
    shown = rows[(number - 1) * ROWS : number * ROWS]
    return visit.page(
        "parts/overview.html" if visit.partial else "overview.html",
        columns=columns,
        kinds=kinds,
        rows=shown,
        behind={row.service: _behind(row, stops.get(row.route, ()), columns) for row in shown},
        only=only,
        found=len(rows),
        known=len(snapshot.services),
        number=number,
        pages=max(1, -(-len(rows) // ROWS)),
        q=visit.query("q") or "",
        attention=attention,
        burning=burning,
    )


def _page(text: str | None, found: int) -> int:
    number = int(text) if text and text.isdigit() and len(text) < 6 else 1
    return min(max(number, 1), max(1, -(-found // ROWS)))


def _behind(row: Any, stops: Sequence[str], columns: list[str]) -> dict[str, tuple[str, str]]:
    """Where another version runs one stop earlier and nothing moves: that stop, and its version."""
    found = {}
    for before, name in pairwise(stops):
        cell, earlier = row.environments[name], row.environments[before]
        if name not in columns or before not in columns or cell.moving or not earlier.version:
            continue
        tried = cell.last is not None and cell.last["version"] == earlier.version
        if earlier.version != cell.version and not tried:
            found[name] = (before, earlier.version)
    return found


def _attention(rows: list[Any], columns: list[str]) -> dict[str, list[dict[str, Any]]]:
    """What waits, moves or is unwell, over all that was found and not only this page."""
    found: dict[str, list[dict[str, Any]]] = {"approval": [], "moving": [], "unwell": []}
    for row in rows:
        for name in columns:
            cell = row.environments[name]
            place = {"service": row.service, "environment": name, "cell": cell}
            if cell.moving and cell.moving["state"] == "waiting-approval":
                found["approval"].append(place)
            elif cell.moving and cell.moving["state"] == "deploying":
                found["moving"].append(place)
            if cell.health in ("degraded", "down"):
                found["unwell"].append(place)
    return found
