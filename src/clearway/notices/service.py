"""Declaring notices, watching the ledger, and sending.

Rules:
1. The ledger is read behind the facts, by a chore: what a notice does can hold up no release.
2. One entry and one notice make one delivery, whose id says so; a crash between sending and recording may
   send it again, with the same id.
3. A failure is tried again with growing pauses, then given up and recorded. Its reason holds no address.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from clearway import access, ledger, workflow
from clearway.kernel import SYSTEM, Actor, ClearwayError, Diff, Invalid, Permanent, differences
from clearway.storage import Database, UnitOfWork

from . import store
from .model import (
    OWN,
    Delivery,
    Fact,
    Message,
    Notice,
    NoticeDocument,
    compose,
    concerns,
    pause,
    target_of,
)
from .ports import Sender

BATCH = 500
log = logging.getLogger("clearway.notices")


def notices(uow: UnitOfWork) -> list[Notice]:
    """Every notice, by name; documents hold no secrets."""
    return [notice for notice, _ in store.watching(uow)]


def deliveries(uow: UnitOfWork, *, notice: str | None = None, limit: int = 100) -> list[Delivery]:
    """What was sent, waits or was given up, newest first."""
    if not 1 <= limit <= BATCH:
        raise Invalid(f"a page of {limit} deliveries", expected=f"1 to {BATCH}")
    return store.newest(uow, notice, limit)


def plan_apply(uow: UnitOfWork, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """What applying the documents would change; documents of other kinds are left alone."""
    wanted: dict[str, dict[str, Any]] = {}
    for doc in docs:
        if isinstance(doc, NoticeDocument):
            if doc.name in wanted:
                raise Invalid(f"Notice {doc.name} is declared twice", expected="one document for each")
            wanted[doc.name] = doc.model_dump(mode="json", exclude={"kind"})
    return differences("Notice", store.specs(uow), wanted, prune=prune)


def apply(uow: UnitOfWork, actor: Actor, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """Make the notices what the documents say. The same again changes nothing. Raises Refused."""
    access.require(uow, actor, "platform:apply")
    found = plan_apply(uow, docs, prune=prune)
    for diff in found:
        if diff.action == "none":
            continue
        past = {"create": "created", "update": "updated", "delete": "deleted"}[diff.action]
        data = {"changes": [[key, old, new] for key, old, new in diff.changes]}
        entry = ledger.append(uow, actor, f"{OWN}{past}", f"notice:{diff.name}", data=data)
        if diff.action == "delete":
            store.remove(uow, diff.name)
        else:
            store.save(uow, diff.name, dict(diff.after or {}), entry.index + 1)
    return found


def watch(database: Database) -> None:
    """Look at what the ledger has got since last time, and queue the messages about it."""
    while _watch_some(database):
        pass


def _watch_some(database: Database) -> bool:
    """One batch; whether there may be more."""
    with database.read() as uow:
        watching = store.watching(uow)
        if not watching:
            return False
        before = store.seen(uow)
        first = max(before, min(since for _, since in watching))
        found = ledger.entries(uow, after=first - 1, limit=BATCH).items
    if not found:
        return False
    with database.begin() as uow:
        if not store.move(uow, before, found[-1].index + 1):
            return True
        for entry in found:
            fact = Fact(
                entry.index, entry.at, entry.actor, entry.action, entry.subject, entry.reason, entry.data
            )
            for notice, since in watching:
                if fact.index >= since and concerns(notice, fact):
                    _queue(uow, notice, fact)
    return len(found) == BATCH


def _queue(uow: UnitOfWork, notice: Notice, fact: Fact) -> None:
    delivery_id = f"{notice.name}/{fact.index}"
    message = compose(delivery_id, fact)
    waiting = Delivery(
        id=delivery_id,
        notice=notice.name,
        entry=fact.index,
        action=fact.action,
        title=message.title,
        body=message.body,
        type=message.type,
        state="waiting",
        attempts=0,
        reason="",
        created_at=uow.now(),
    )
    store.add_delivery(uow, waiting)
    _start(uow, delivery_id, 0)


def _start(uow: UnitOfWork, delivery_id: str, attempts: int) -> None:
    wait = pause(attempts) if attempts else None
    workflow.start(
        uow,
        "notices.send",
        f"notices.send/{delivery_id}/{attempts}",
        {"delivery_id": delivery_id, "attempts": attempts},
        at=None if wait is None else uow.now() + wait,
    )


def due(uow: UnitOfWork, delivery_id: str, attempts: int) -> bool:
    """Whether this attempt is still to be made."""
    found = store.delivery(uow, delivery_id)
    return found is not None and found.state == "waiting" and found.attempts == attempts


def send(database: Database, delivery_id: str) -> dict[str, str]:
    """Try to send, now; what came of it: sent, again or never, and why."""
    with database.read() as uow:
        found = store.delivery(uow, delivery_id)
        notice = None if found is None else store.one(uow, found.notice)
    if found is None or notice is None:
        return {"outcome": "dropped", "why": "the notice was taken away"}
    message = Message(found.id, found.title, found.body, found.type)
    try:
        database.tool(Sender).send(target_of(notice), message)
    except Permanent as error:
        return {"outcome": "never", "why": error.message}
    except ClearwayError as error:
        return {"outcome": "again", "why": error.message}
    except Exception as error:  # noqa: BLE001  a sender's bug holds up nothing; its text may hold an address
        log.warning("sending %s failed: %s", delivery_id, type(error).__name__)
        return {"outcome": "again", "why": f"the sender failed ({type(error).__name__})"}
    return {"outcome": "sent", "why": ""}


def record(uow: UnitOfWork, delivery_id: str, attempts: int, outcome: str, why: str) -> None:
    """Keep what came of an attempt; the same attempt again changes nothing."""
    if not due(uow, delivery_id, attempts):
        return
    if outcome == "again" and pause(attempts + 1) is not None:
        store.postpone(uow, delivery_id, why)
        _start(uow, delivery_id, attempts + 1)
        return
    state = {"sent": "sent", "dropped": "dropped"}.get(outcome, "failed")
    store.close(uow, delivery_id, state, why, uow.now())
    if state != "dropped":
        name, _, entry = delivery_id.partition("/")
        data = {"entry": int(entry), "attempts": attempts + 1}
        ledger.append(uow, SYSTEM, f"{OWN}{state}", f"notice:{name}", reason=why, data=data)
