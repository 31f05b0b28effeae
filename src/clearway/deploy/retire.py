"""What should run, runs; what was kept warm long enough, ends. Level-triggered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from clearway import ledger
from clearway.kernel import SYSTEM, ClearwayError
from clearway.storage import Database, UnitOfWork

from . import acts, launch, store, traffic
from .decide import DRAIN
from .model import Deployment, Instance, Order
from .ports import Target

log = logging.getLogger("clearway.deploy")
SLOWEST = timedelta(seconds=60)  # between two starts of what dies again and again


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
    for each in changed.values():
        owner = found[each.deployment_id]
        try:
            if each.wanted == "draining":
                _end(database, owner, _order(owner, orders, each), each)
            elif (each.stop_after and each.stop_after <= now) or _stray(each, owner, kept):
                _drain(database, each)
            elif each.status == "dead" and (not owner.active or each.side == "baseline"):
                _restart(database, _order(owner, orders, each), each, now)
        except (ClearwayError, OSError) as error:
            log.warning("instance %s: %s", each.id, error)
    traffic.tell_router(database)


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
    fresh = {
        each.id: launch.look_at(database, _order(found[each.deployment_id], orders, each), each)
        for each in rows
    }
    different = [fresh[each.id] for each in rows if fresh[each.id] != each]
    if different:
        with database.begin() as uow:
            acts.keep_statuses(uow, different)
            for each in different:
                if each.status == "dead" and not found[each.deployment_id].active:
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


def _end(database: Database, owner: Deployment, order: Order, instance: Instance) -> None:
    # A rollout that still moves ends its own instances; those without a time are its business.
    if instance.stop_after is None and owner.active:
        return
    with database.read() as uow:
        if instance.stop_after and instance.stop_after > uow.now():
            return
    database.tool(Target).stop(instance.id, launch.grace(order))
    with database.begin() as uow:
        store.update_instance(uow, instance.id, wanted="stopped", status="stopped", pid=None)
