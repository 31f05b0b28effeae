"""Where builds stand in the queue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clearway.storage import UnitOfWork

from . import store
from .order import in_order


@dataclass(frozen=True)
class Spot:
    """A build's place among those that wait for a slot of the same pool."""

    pool: str
    position: int  # 1 is next, as long as no team is at its limit
    waiting: int  # how many wait there


def spots(uow: UnitOfWork, ids: Iterable[str]) -> dict[str, Spot]:
    """The places of those of the builds that wait for a slot."""
    wanted = list(ids)
    found: dict[str, Spot] = {}
    for pool in store.pools_of(uow, wanted) if wanted else ():
        turns = {team: turn for (at, team), turn in store.turns(uow).items() if at == pool}
        order = in_order(store.waiting(uow, pool), turns)
        found |= {each: Spot(pool, number, len(order)) for number, each in enumerate(order, 1)}
    return {each: found[each] for each in wanted if each in found}


def spot_of(uow: UnitOfWork, build_id: str) -> Spot | None:
    """One build's place; None when it does not wait for a slot."""
    return spots(uow, [build_id]).get(build_id)
