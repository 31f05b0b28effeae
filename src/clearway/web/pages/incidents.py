"""Incidents: the list, and one with its timeline from the ledger."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from clearway import access, catalog, incidents, releases
from clearway.kernel import NotFound
from clearway.web.visit import Visit


def index(visit: Visit) -> Response:
    """Incidents, newest first."""
    lasting = visit.query("show") != "all"
    with visit.database.read() as uow:
        places = visit.places(uow, "incident:read")
        found = incidents.incidents(uow, lasting=lasting, after=visit.query("after"), limit=50)
        writable = visit.places(uow, "incident:write")
        order = [each.name for each in catalog.environments(uow) if each.name in writable]
    shown = [each for each in found.items if each.environment in places]
    values: dict[str, Any] = {"found": shown, "following": found.next_cursor, "lasting": lasting}
    return visit.page("incidents.html", **values, environments=order[::-1])


def declare(visit: Visit) -> Response:
    """A person saw a loss of service."""
    with visit.database.begin() as uow:
        said = {name: visit.said(name, 500) for name in ("service", "environment", "text")}
        made = incidents.declare(uow, visit.actor, said["service"], said["environment"], said["text"])
    return visit.go(f"/incidents/{made.id}", "The incident is open.")


def show(visit: Visit) -> Response:
    """One incident."""
    with visit.database.read() as uow:
        found = incidents.incident(uow, visit.part("id"))
        where = {"service": found.service, "environment": found.environment}
        access.require(uow, visit.actor, "incident:read", **where)
        cause = releases.promotion_of_deployment(uow, found.deployment_id) if found.deployment_id else None
        values: dict[str, Any] = {
            "incident": found,
            "timeline": incidents.timeline(uow, found.id),
            "cause": cause,
            "may_write": visit.may(uow, "incident:write", **where),
            "now": uow.now(),
        }
    return visit.page("parts/incident-live.html" if visit.partial else "incident.html", **values)


def act(visit: Visit) -> Response:
    """Acknowledge, note, say that the impact ended, resolve, add or finish an action."""
    name, verb, text = visit.part("id"), visit.part("verb"), visit.said("text")
    with visit.database.begin() as uow:
        if verb == "acknowledge":
            incidents.acknowledge(uow, visit.actor, name, text)
        elif verb == "note":
            incidents.note(uow, visit.actor, name, text)
        elif verb == "restore":
            incidents.restore(uow, visit.actor, name, text)
        elif verb == "resolve":
            incidents.resolve(uow, visit.actor, name, text)
        elif verb == "add-action":
            incidents.add_action(uow, visit.actor, name, text, visit.said("owner", 100))
        elif verb == "finish-action":
            incidents.finish_action(uow, visit.actor, name, visit.said("action", 100))
        else:
            raise NotFound(f"nothing is called {verb} here")
    return visit.go(f"/incidents/{name}", "Noted.")
