"""The repositories as people look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from clearway import access, catalog
from clearway.kernel import Actor, Conflict, NotFound
from clearway.source import store
from clearway.source.credentials import Credential
from clearway.source.model import public_location
from clearway.source.refs import RefEntry
from clearway.source.service.credentials import credentials
from clearway.source.service.following import all_repositories, want
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

Health = Literal["not followed", "not fetched yet", "up to date", "failing"]


@dataclass(frozen=True)
class Overseen:
    """One repository: where it is, who comes from it, how far it is known."""

    name: str
    location: str
    forge: str
    web: str
    description: str
    poll_s: float  # 0: it is not looked at unasked
    declared: bool
    services: tuple[str, ...]
    health: Health
    synced_at: datetime | None
    next_at: datetime | None
    failures: int  # in a row
    error: str  # why the last look failed; empty when it did not


def repositories(uow: UnitOfWork) -> list[Overseen]:
    """Every repository, by name: those that documents declare, and those that services have of their own."""
    states = store.all_states(uow)
    declared = {each.name for each in catalog.repositories(uow)}
    users: dict[str, list[str]] = {}
    for service, own in catalog.repositories_of_services(uow).items():
        users.setdefault(own.name, []).append(service)
    return [
        _overseen(each, states.get(each.name), each.name in declared, tuple(users.get(each.name, ())))
        for each in all_repositories(uow)
    ]


def repository(uow: UnitOfWork, name: str) -> Overseen:
    """One repository. Raises NotFound."""
    found = next((each for each in repositories(uow) if each.name == name), None)
    if found is None:
        known = ", ".join(each.name for each in all_repositories(uow))
        raise NotFound(
            f"there is no repository `{name}`",
            expected=known or "one that a document declares",
        )
    return found


def ask_for_sync(uow: UnitOfWork, actor: Actor, name: str) -> Overseen:
    """Have a declared repository fetched soon. Raises Refused, NotFound, Conflict."""
    access.require(uow, actor, "build:run")
    found = repository(uow, name)
    if not found.declared:
        raise Conflict(
            f"{name} is not followed: it is fetched whenever {found.services[0]} is built",
            todo="Declare it with a document of kind Repository, and name that in the service.",
        )
    want(uow, name)
    return found


def ref_history(uow: UnitOfWork, name: str, after: str | None = None, limit: int = 50) -> Page[RefEntry]:
    """Which branches and tags moved, newest first; what was there at the first look is not among it."""
    before = str(decode_cursor(after)) if after else None
    found = store.moves_of(uow, name, before, limit + 1)
    more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(found[:limit], more)


def kept_credentials(uow: UnitOfWork, actor: Actor, name: str) -> tuple[Credential, ...]:
    """What is kept sealed; who may not set secrets does not hear of it. Raises NotFound."""
    repository(uow, name)
    return credentials(uow, name) if access.may(uow, actor, "secret:write").allowed else ()


def _overseen(
    each: catalog.Repository, state: store.FollowState | None, declared: bool, services: tuple[str, ...]
) -> Overseen:
    health: Health = "up to date"
    if state is None or state.synced_at is None:
        health = "not fetched yet"
    if not declared:
        health = "not followed"
    if state is not None and state.failures:
        health = "failing"
    return Overseen(
        name=each.name,
        location=public_location(each.location),
        forge=each.forge,
        web=each.web,
        description=each.description,
        poll_s=each.poll.total_seconds(),
        declared=declared,
        services=services,
        health=health,
        synced_at=state.synced_at if state else None,
        next_at=state.next_at if state and declared else None,
        failures=state.failures if state else 0,
        error=state.error if state else "",
    )
