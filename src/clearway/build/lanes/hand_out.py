"""Handing out slots: when a build is asked for, when one ends, when the platform changes, and now and then.

Rules:
1. A build without a slot is a row and nothing else: a thousand of them cost nothing, and survive anything.
2. The slot, the turn and the start of the flow are one transaction, with the fact that made room.
3. What a crash left is found by looking: slots are counted from the rows, never kept as a number.
"""

from __future__ import annotations

from clearway import catalog, workflow
from clearway.catalog import CatalogChanged
from clearway.storage import Database, UnitOfWork

from . import store
from .order import Lanes

RUN = "build.run"
_KINDS = frozenset({"Pool", "Team", "Service"})


def hand_out(uow: UnitOfWork) -> int:
    """Give free slots to those whose turn it is, and start them; returns how many."""
    if not store.anybody_waits(uow):
        return 0
    store.lock(uow)
    lanes = _lanes(uow)
    heads = {(each.pool, each.team): each for each in store.heads(uow)}
    given = 0
    while found := lanes.next(heads.values()):
        store.give(uow, found, lanes.take(found))
        workflow.start(uow, RUN, found.build_id, {"build_id": found.build_id})
        given += 1
        following = store.head(uow, found.pool, found.team)
        del heads[found.pool, found.team]
        if following:
            heads[following.pool, following.team] = following
    return given


def _lanes(uow: UnitOfWork) -> Lanes:
    slots = {each.name: each.slots for each in catalog.pools(uow)}
    slots.setdefault(catalog.DEFAULT_POOL, workflow.capacity(uow))
    found = Lanes(
        slots=slots,
        most={each.name: each.builds for each in catalog.teams(uow) if each.builds is not None},
        turns=store.turns(uow),
    )
    for pool, team, count in store.busy(uow):
        found.busy_pools[pool] = found.busy_pools.get(pool, 0) + count
        found.busy_teams[team] = found.busy_teams.get(team, 0) + count
    return found


def tend(database: Database) -> None:
    """Hand out what is free, whatever made it so: a worker more, a limit that was raised, a crash."""
    with database.read() as uow:
        if not store.anybody_waits(uow):
            return
    with database.begin() as uow:
        hand_out(uow)


def on_catalog_changed(uow: UnitOfWork, happened: CatalogChanged) -> None:
    """Other limits may let somebody go on."""
    if any(diff.kind in _KINDS for diff in happened.diffs):
        hand_out(uow)
