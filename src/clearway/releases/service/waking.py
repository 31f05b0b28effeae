"""Waking many promotions: asked for in the transaction of the fact, done in short ones of their own.

Rules:
1. Whoever records a fact locks no promotion: he holds the ledger's head already, and a signer holds a
   promotion and wants the head. So a fact only starts a flow, and the flow writes nothing into the ledger.
2. The flow takes its promotions in batches, by id and revision alone: ten thousand that wait for one calendar
   must not keep every other writer waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clearway import workflow
from clearway.kernel import new_id
from clearway.releases import store
from clearway.releases.service.moving import FLOW
from clearway.storage import UnitOfWork

WAKE = "releases.wake"
BATCH = 100


def wake(uow: UnitOfWork, *scopes: Mapping[str, Any]) -> int:
    """Have the waiting promotions of these scopes looked at soon; returns how many wait.

    A scope names a service, an environment, a state or ids; what it leaves out may be anything.
    """
    waiting = [(scope, store.count_waiting(uow, scope)) for scope in scopes]
    asked = [dict(scope) for scope, count in waiting if count]
    if asked:
        workflow.start(uow, WAKE, f"wake/{new_id('wake')}", {"scopes": asked})
    return sum(count for _, count in waiting)


def waiting_batches(uow: UnitOfWork, scopes: Sequence[Mapping[str, Any]], after: str) -> list[list[str]]:
    """Ids of what waits in these scopes, after an id, in order and in batches."""
    found = {each for scope in scopes for each in store.waiting_ids(uow, scope) if each > after}
    ids = sorted(found)
    return [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]


def wake_batch(uow: UnitOfWork, promotion_ids: Sequence[str]) -> None:
    """Have these looked at now, if they still wait."""
    found = store.lock_waiting(uow, promotion_ids)
    store.set_wake(uow, [promotion_id for promotion_id, _ in found], uow.now())
    for promotion_id, revision in found:
        args = {"promotion_id": promotion_id, "revision": revision}
        workflow.start(uow, FLOW, f"{promotion_id}/{revision}", args)
