"""Declaring calendars; windows and freezes change what waiting promotions may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from clearway import access, catalog, ledger
from clearway.kernel import Actor, Diff, Invalid, differences
from clearway.releases import store
from clearway.releases.calendar import Answer, Calendar, CalendarDocument
from clearway.releases.service.planning import calendar_answer, calendars
from clearway.releases.service.waking import wake
from clearway.storage import UnitOfWork


def plan_apply(uow: UnitOfWork, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """What applying the Calendar documents would change; documents of other kinds are left alone."""
    wanted: dict[str, dict[str, Any]] = {}
    for doc in docs:
        if not isinstance(doc, CalendarDocument):
            continue
        if doc.name in wanted:
            raise Invalid(
                f"Calendar {doc.name} is declared twice", where=doc.origin or None, expected="one document"
            )
        wanted[doc.name] = doc.model_dump(mode="json", by_alias=True, exclude={"kind"})
    return differences("Calendar", store.calendar_specs(uow), wanted, prune=prune)


def apply(uow: UnitOfWork, actor: Actor, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """Make the calendars what the documents say. The same again changes nothing."""
    found = plan_apply(uow, docs, prune=prune)
    changed = [diff for diff in found if diff.action != "none"]
    if changed:
        access.require(uow, actor, "platform:apply")
    for diff in changed:
        store.save_calendar(uow, diff.name, dict(diff.after) if diff.after is not None else None)
        past = {"create": "created", "update": "updated", "delete": "deleted"}[diff.action]
        ledger.append(
            uow,
            actor,
            f"calendar.{past}",
            f"calendar:{diff.name}",
            data={"changes": [[key, old, new] for key, old, new in diff.changes]},
        )
    if changed:
        uow.memo.pop(("releases", "calendars"), None)
        # Those that wait for a window may move earlier or later now; others meet the calendar when they move.
        wake(uow, {"state": "waiting-window"})
    return found


def all_calendars(uow: UnitOfWork) -> tuple[Calendar, ...]:
    """Every calendar, by name."""
    return calendars(uow)


def open_now(uow: UnitOfWork, service: str, environment: str) -> Answer:
    """Whether the calendars let promotions of the service to the environment move now, and when next."""
    return calendar_answer(uow, service, catalog.environment(uow, environment))
