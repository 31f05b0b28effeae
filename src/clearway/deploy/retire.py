"""What should run, runs; what was kept warm long enough, ends. Level-triggered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from clearway import ledger
from clearway.kernel import SYSTEM, ClearwayError
from clearway.storage import Database, UnitOfWork

from . import acts, launch, store, traffic
from .decide import DRAIN, LAST_REQUESTS
from .model import ACTIVE, Deployment, Instance, Order
from .ports import Router, Target

log = logging.getLogger("clearway.deploy")
X = TypeVar("X")
Y = TypeVar("Y")
SLOWEST = timedelta(seconds=60)  # between two starts of what dies again and again
AT_ONCE = 16  # instances that are looked at, or ended, at the same time


def keep_running(database: Database) -> None:
    """One look at every instance; each fault is mended, or said and looked at again."""
    with database.read() as uow:
        rows = store.load_instances(uow, {"wanted": ["running", "draining"]})
        found = store.load_many(uow, {each.deployment_id for each in rows})
        previous = store.load_many(uow, {each.previous_id for each in found.values() if each.previous_id})
        now = uow.now()
        kept = _kept(uow)
    orders = found | previous
    changed = _note(database, rows, found, orders)
    leaving = []
    for each in changed.values():
        owner = found[each.deployment_id]
        try:
            if each.wanted == "draining":
                leaving.append(each)
            elif (each.stop_after and each.stop_after <= now) or _stray(each, owner, kept):
                _drain(database, each)
            elif each.status == "dead" and (not owner.active or each.side == "baseline"):
                _restart(database, _order(owner, orders, each), each, now)
        except (ClearwayError, OSError) as error:
            log.warning("instance %s: %s", each.id, error)
    _serve_again(database, changed.values())

    def end(instance: Instance) -> None:
        try:
            _end(database, _order(found[instance.deployment_id], orders, instance), instance)
        except (ClearwayError, OSError) as error:
            log.warning("instance %s: %s", instance.id, error)

    try:
        traffic.tell_router(database)
    finally:
        each_of(end, leaving)


def each_of(function: Callable[[X], Y], them: Iterable[X]) -> list[Y]:
    """The function of each, some at the same time, so that one that is slow does not delay all others."""
    every = list(them)
    if len(every) < 2:
        return [function(one) for one in every]
    with ThreadPoolExecutor(min(AT_ONCE, len(every))) as pool:
        return list(pool.map(function, every))


def _serve_again(database: Database, instances: Iterable[Instance]) -> None:
    """What is current and healthy serves where no rollout moves: a failed way back may have left 503."""
    good: dict[str, bool] = {}
    for each in instances:
        if each.wanted == "running" and each.side == "main":
            good[each.deployment_id] = good.get(each.deployment_id, True) and each.status == "healthy"
    with database.read() as uow:
        told = {(row.service, row.environment): row.weights for row in store.load_listeners(uow)}
        lost = [
            row
            for row in store.all_current(uow)
            if good.get(row.deployment_id)
            and told.get((row.service, row.environment)) not in (None, {row.deployment_id: 100})
        ]
    for row in lost:
        with database.begin() as uow:
            # The listener's row first: a rollout that begins now sets its weights after us, or stops us.
            store.listener(uow, row.service, row.environment, lock=True)
            place = {"service": row.service, "environment": row.environment}
            if store.find(uow, **place, states=ACTIVE, limit=1):
                continue
            if store.current(uow, row.service, row.environment) == row.deployment_id:
                acts.serve_alone(uow, store.load(uow, row.deployment_id))


def _kept(uow: UnitOfWork) -> set[str]:
    """Deployments whose instances are needed: those that serve, and those that get traffic."""
    serving = {row.deployment_id for row in store.all_current(uow)}
    return serving | {group.partition(".")[0] for row in store.load_listeners(uow) for group in row.weights}


def _stray(instance: Instance, owner: Deployment, kept: set[str]) -> bool:
    """Left by a rollout that failed even on its way back, and no longer of use."""
    return not owner.active and instance.stop_after is None and owner.id not in kept


def _order(owner: Deployment, orders: Mapping[str, Deployment], instance: Instance) -> Order:
    if instance.side == "baseline" and owner.previous_id and owner.previous_id in orders:
        return orders[owner.previous_id].order
    return owner.order


def _note(
    database: Database,
    rows: list[Instance],
    found: Mapping[str, Deployment],
    orders: Mapping[str, Deployment],
) -> dict[str, Instance]:
    seen = each_of(
        lambda each: launch.look_at(database, _order(found[each.deployment_id], orders, each), each), rows
    )
    fresh = {each.id: each for each in seen}
    different = [fresh[each.id] for each in rows if fresh[each.id] != each]
    if different:
        with database.begin() as uow:
            # What is being ended on purpose meanwhile was not written, and did not die.
            for each in acts.keep_statuses(uow, rows, different):
                ended = each.status == "dead" and each.wanted == "running"
                if ended and not found[each.deployment_id].active:
                    _tell(uow, each)
    return fresh


def _tell(uow: UnitOfWork, instance: Instance) -> None:
    ledger.append(
        uow,
        SYSTEM,
        "instance.died",
        f"deployment:{instance.deployment_id}",
        reason=instance.detail[:300] or "the process ended by itself",
        digest=instance.release_digest,
        data={"instance": instance.id, "environment": instance.environment, "service": instance.service},
    )


def _restart(database: Database, order: Order, instance: Instance, now: datetime) -> None:
    """Start it again: at once the first time, then ever more seldom while it keeps dying."""
    ran = now - instance.started_at
    restarts = 0 if ran > 2 * SLOWEST else instance.restarts
    if ran < min(SLOWEST, timedelta(seconds=2**restarts - 1)):
        return
    with database.begin() as uow:
        if not launch.is_free(instance.port):  # a stranger took it while the instance was down
            instance = replace(instance, port=launch.free_port(store.used_ports(uow)))
        store.update_instance(uow, instance.id, restarts=restarts + 1, port=instance.port)
    acts.start_instance(database, order, instance)


def _drain(database: Database, instance: Instance) -> None:
    """It leaves the router now, and ends at a later look."""
    with database.begin() as uow:
        store.retire(uow, instance, uow.now() + DRAIN)


def _end(database: Database, order: Order, instance: Instance) -> None:
    with database.read() as uow:
        if instance.stop_after is None:
            # A rollout that still moves ends its own instances, and those of what ran before it.
            place = {"service": instance.service, "environment": instance.environment}
            if store.find(uow, **place, states=ACTIVE, limit=1):
                return
        now = uow.now()
    if instance.stop_after and instance.stop_after > now:
        return
    late = instance.stop_after is None or now - instance.stop_after > LAST_REQUESTS
    if not late and database.tool(Router).under_way([instance.port]):
        return
    database.tool(Target).stop(instance.id, launch.grace(order))
    with database.begin() as uow:
        store.update_instance(uow, instance.id, wanted="stopped", status="stopped", pid=None)
