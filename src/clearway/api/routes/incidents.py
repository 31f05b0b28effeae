"""Incidents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import access, incidents
from clearway.api.ask import Answer, Ask, Asked
from clearway.api.bodies import ActionBody, IncidentBody, NoteBody, ReasonBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.places import only_readable
from clearway.api.shown import shown
from clearway.kernel import Actor
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1/incidents", route_class=Guarded, tags=["incidents"])

DECIDED = needs("incident:write", "IncidentStory", errors=(404, 409, 412))


@router.get("", **needs("incident:read", "IncidentPage"))
def every(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    environment: Annotated[str | None, Query(max_length=100)] = None,
    lasting: Annotated[bool, Query(description="Only those that nobody has resolved.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Incidents, newest first."""

    def look(uow: UnitOfWork) -> Any:
        page = incidents.incidents(
            uow, service=service, environment=environment, lasting=lasting, after=cursor, limit=limit
        )
        return only_readable(uow, ask.actor, "incident:read", page, lambda each: each.environment)

    return read_page(ask, look)


@router.post("", status_code=201, **needs("incident:write", "IncidentStory", errors=(404, 409)))
def declare(ask: Asked, body: IncidentBody) -> Response:
    """Declare a loss of service that no deployment told of."""

    def act(uow: UnitOfWork) -> Answer:
        made = incidents.declare(uow, ask.actor, body.service, body.environment, body.summary)
        return Answer(_story(uow, ask, made.id), 201, f"/v1/incidents/{made.id}")

    return ask.write(act)


@router.get("/{incident_id}", **needs("incident:read", "IncidentStory", errors=(404,)))
def one(ask: Asked, incident_id: str) -> Response:
    """One incident with its timeline, from the ledger."""
    return ask.read(lambda uow: _story(uow, ask, incident_id))


@router.post("/{incident_id}/acknowledge", **DECIDED)
def acknowledge(ask: Asked, incident_id: str, body: ReasonBody) -> Response:
    """Look after an incident; the first one who does counts."""
    return _decide(ask, incidents.acknowledge, incident_id, body.reason)


@router.post("/{incident_id}/note", **needs("incident:write", "IncidentStory", errors=(404, 409)))
def note(ask: Asked, incident_id: str, body: NoteBody) -> Response:
    """Add a line to the timeline."""
    return _decide(ask, incidents.note, incident_id, body.text, guarded=False)


@router.post("/{incident_id}/restore", **DECIDED)
def restore(ask: Asked, incident_id: str, body: ReasonBody) -> Response:
    """Say that the impact has ended, where no deployment could tell."""
    return _decide(ask, incidents.restore, incident_id, body.reason)


@router.post("/{incident_id}/resolve", **DECIDED)
def resolve(ask: Asked, incident_id: str, body: ReasonBody) -> Response:
    """Close an incident, and say what was found."""
    return _decide(ask, incidents.resolve, incident_id, body.reason)


@router.post(
    "/{incident_id}/actions",
    status_code=201,
    **needs("incident:write", "IncidentAction", errors=(404, 409)),
)
def add_action(ask: Asked, incident_id: str, body: ActionBody) -> Response:
    """Add something to be done, so that it does not happen again."""
    return ask.write(
        lambda uow: incidents.add_action(uow, ask.actor, incident_id, body.text, body.owner), status=201
    )


@router.post(
    "/{incident_id}/actions/{action_id}/finish",
    **needs("incident:write", "IncidentAction", errors=(404, 409)),
)
def finish_action(ask: Asked, incident_id: str, action_id: str) -> Response:
    """Say that an action was done."""
    return ask.write(lambda uow: incidents.finish_action(uow, ask.actor, incident_id, action_id))


Verb = Callable[[UnitOfWork, Actor, str, str], incidents.Incident]


def _decide(ask: Ask, verb: Verb, incident_id: str, said: str, *, guarded: bool = True) -> Response:
    """Do it, and answer with the incident as it is then; If-Match guards what was looked at."""

    def story(uow: UnitOfWork) -> dict[str, Any]:
        return _story(uow, ask, incident_id)

    def act(uow: UnitOfWork) -> dict[str, Any]:
        verb(uow, ask.actor, incident_id, said)
        return story(uow)

    return ask.write(act, current=story if guarded else None)


def _story(uow: UnitOfWork, ask: Ask, incident_id: str) -> dict[str, Any]:
    found = incidents.incident(uow, incident_id)
    access.require(uow, ask.actor, "incident:read", service=found.service, environment=found.environment)
    return {**shown(found), "timeline": incidents.timeline(uow, incident_id)}
