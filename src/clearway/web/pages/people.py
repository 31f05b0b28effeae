"""People: who there is, what roles they hold and where, their tokens; the access review on one page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from clearway import access, catalog
from clearway.storage import UnitOfWork
from clearway.web.pages.environments import duties
from clearway.web.visit import Visit

SOON = timedelta(days=14)


def index(visit: Visit) -> Response:
    """Everybody; who may do what where; tokens, for those who review access."""
    with visit.database.read() as uow:
        people = access.users(uow)
        bindings = access.bindings(uow)
        places = [each.name for each in catalog.environments(uow)]
        reviews = visit.may(uow, "token:read", owner="")
        values: dict[str, Any] = {
            "people": [(each, _held(each, bindings)) for each in people],
            "bindings": bindings,
            "roles": access.ROLES,
            "duties": {name: duties(uow, name) for name in places},
            "tokens": access.all_tokens(uow, visit.actor) if reviews else None,
            "now": uow.now(),
            "soon": uow.now() + SOON,
        }
    return visit.page("people.html", **values)


def show(visit: Visit) -> Response:
    """One person: what they hold, from where, and what follows from it."""
    with visit.database.read() as uow:
        person = access.user(uow, visit.part("name"))
        places = [each.name for each in catalog.environments(uow)]
        reviews = visit.may(uow, "token:read", owner=person.name)
        values: dict[str, Any] = {
            "person": person,
            "held": _held(person, access.bindings(uow)),
            "may": _may(uow, person.name, places),
            "places": places,
            "tokens": access.list_tokens(uow, visit.actor, person.name) if reviews else None,
            "now": uow.now(),
            "soon": uow.now() + SOON,
        }
    return visit.page("person.html", **values)


def _held(person: access.User, bindings: list[access.Binding]) -> list[tuple[access.Grant, str]]:
    """Each role that somebody holds, and where it comes from."""
    found = [(grant, "their own") for grant in person.grants]
    for each in bindings:
        groups = sorted(set(person.groups) & set(each.groups))
        if person.name in each.users:
            found.append((each.grant, f"role {each.name}"))
        elif groups:
            found.append((each.grant, f"role {each.name}, by the group {groups[0]}"))
    return found


def _may(uow: UnitOfWork, name: str, places: list[str]) -> list[tuple[str, list[str]]]:
    """What somebody may do, and in which environments."""
    by_place = {place: duties(uow, place) for place in places}
    found = []
    for number, (words, _) in enumerate(next(iter(by_place.values()), [])):
        found.append((words, [place for place in places if name in by_place[place][number][1]]))
    return found
