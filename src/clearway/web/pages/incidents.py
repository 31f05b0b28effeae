"""Incidents: the list, and one with its timeline from the ledger."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from clearway import access, incidents, releases
from clearway.kernel import NotFound
from clearway.web.visit import Visit


def index(visit: Visit) -> Response:
    """Incidents, newest first."""
    lasting = visit.query("show") != "all"
    with visit.database.read() as uow:
        places = visit.places(uow, "incident:read")
        found = incidents.incidents(uow, lasting=lasting, after=visit.query("after"), limit=50)
    shown = [each for each in found.items if each.environment in places]
    return visit.page("incidents.html", found=shown, following=found.next_cursor, lasting=lasting)


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
