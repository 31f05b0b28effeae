"""One service: what of it runs where, what moves, its latest releases and builds."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from clearway import build, catalog, incidents, releases, source
from clearway.web.visit import Visit


def show(visit: Visit) -> Response:
    """The page."""
    name = visit.part("service")
    snapshot: releases.Overview = visit.request.app.state.snapshot.overview()
    with visit.database.read() as uow:
        service = catalog.service(uow, name)
        route = catalog.route_of(uow, name)
        readable = visit.places(uow, "deployment:read")
        row = next((each for each in snapshot.services if each.service == name), None)
        asked = visit.places(uow, "promotion:read")
        values: dict[str, Any] = {
            "service": service,
            "repository": source.repository(uow, source.repository_of(uow, name)),
            "stops": [stop for stop in route.environments if stop in readable],
            "row": row,
            "kinds": {each.name: each.kind for each in catalog.environments(uow)},
            "promotions": [
                each
                for each in releases.promotions(uow, service=name, limit=15).items
                if each.environment in asked
            ],
            "releases": releases.releases(uow, service=name, limit=8).items,
            "builds": build.list(uow, service=name, limit=8).items
            if visit.may(uow, "build:read", service=name)
            else [],
            "incidents": [
                each
                for each in incidents.incidents(uow, service=name, limit=8).items
                if visit.may(uow, "incident:read", environment=each.environment)
            ],
            "may_build": visit.may(uow, "build:run", service=name),
            "back_in": visit.places(uow, "deployment:rollback"),
        }
    return visit.page("parts/service-live.html" if visit.partial else "service.html", **values)


def build_it(visit: Visit) -> Response:
    """Queue a build of a branch, tag or commit."""
    with visit.database.begin() as uow:
        made = build.request(uow, visit.actor, visit.part("service"), visit.said("ref", 200))
    return visit.go(f"/builds/{made.id}", "The build is queued.")


def roll_back(visit: Visit) -> Response:
    """Go back to what ran before."""
    with visit.database.begin() as uow:
        made = releases.rollback(
            uow,
            visit.actor,
            visit.part("service"),
            visit.said("environment", 100),
            visit.said("reason"),
            to=visit.said("to", 100) or None,
        )
    visit.request.app.state.snapshot.forget()
    return visit.go(f"/promotions/{made.id}", "Going back.")
