"""Environments: the stops that releases travel, and what each asks of a release before it may enter."""

from __future__ import annotations

from starlette.responses import Response

from clearway import access, catalog, releases
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit

# What people ask an access review: who may do it there.
DUTIES = (
    ("promotion:create", "ask for a promotion"),
    ("promotion:approve", "approve one"),
    ("deployment:rollback", "roll back"),
    ("freeze:override", "override a freeze"),
    ("config:write", "set configuration"),
    ("secret:write", "set secrets"),
)


def index(visit: Visit) -> Response:
    """Every environment, in the order of pages."""
    with visit.database.read() as uow:
        found = catalog.environments(uow)
        routes = catalog.routes(uow)
    return visit.page("environments.html", environments=found, routes=routes)


def show(visit: Visit) -> Response:
    """One environment: its gates with their rules, its strategy, who may do what, what runs there."""
    name = visit.part("name")
    with visit.database.read() as uow:
        place = catalog.environment(uow, name)
        calendars = [each for each in releases.all_calendars(uow) if _named(each, name)]
        routes = [each for each in catalog.routes(uow) if name in each.environments]
        who = duties(uow, name)
        readable = visit.may(uow, "deployment:read", environment=name)
    snapshot: releases.Overview = visit.request.app.state.snapshot.overview()
    running = [
        (row.service, row.environments[name])
        for row in snapshot.services
        if readable and row.environments[name].version
    ]
    return visit.page(
        "environment.html",
        place=place,
        calendars=calendars,
        routes=routes,
        who=who,
        running=running[:200],
        count=len(running),
    )


def _named(calendar: releases.Calendar, environment: str) -> bool:
    names = calendar.applies_to.environments
    return not names or environment in names


def duties(uow: UnitOfWork, environment: str) -> list[tuple[str, list[str]]]:
    """Who may do what in an environment."""
    return [(words, access.who_may(uow, action, environment)) for action, words in DUTIES]
