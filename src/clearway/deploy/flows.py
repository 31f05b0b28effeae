"""The tick of a rollout, and the chore that keeps running what should run.

Rules:
1. A tick loads the row, and ends at once when its revision has moved on: twice is once.
2. It looks, decides (`decide`, pure), acts on the world idempotently, and commits one transaction: the row
   at revision + 1, the ledger entry, the events and the next tick.
3. What is intended is written before the world is told (instances, weights), so that the chore can finish
   what a killed tick began.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from clearway import workflow
from clearway.kernel import Permanent, Retry
from clearway.storage import Database, UnitOfWork

from . import acts, launch, store
from .decide import Decision, Look, decide, of_side
from .measure import read_counters
from .model import Deployment, Instance, Order, Stage
from .ports import MetricSource, Permit, Router
from .retire import each_of, keep_running
from .strategies import back_stages, forward_stages

log = logging.getLogger("clearway.deploy")
LATE = timedelta(seconds=15)
SURPRISES = 20  # unexpected faults in a row after which a rollout is given up
LOOKS, LOOK_AGAIN_S = 3, 0.1  # a busy instance may miss one health check, or two


def tick(database: Database, run: workflow.Run, deployment_id: str, revision: int) -> None:
    """One step of one rollout."""
    with database.read() as uow:
        row = store.load(uow, deployment_id)
        if row.revision != revision or not row.active:
            return
        previous = store.load(uow, row.previous_id) if row.previous_id else None
    stages = stages_of(row, previous)
    try:
        row, look = _look(database, row, previous, stages)
        decision = decide(row, stages, look)
        if decision.kind == "judge":
            acts.judge(database, row, stages)
            return
        if _moves_first(row, decision, look):
            launch.install(database, row.order.bundle_digest)
        acts.act(database, row, previous, stages, decision, look)
    except Retry as error:
        acts.postpone(database, row, str(error))
    except Permanent as error:
        acts.fail(database, row, str(error))
    except OSError as error:
        acts.postpone(database, row, f"this machine cannot do it now: {error.strerror or error}")
    except Exception as error:
        log.exception("a tick of %s failed", row.id)
        count = int(row.measured.get("surprises", 0)) + 1
        if count >= SURPRISES:
            acts.fail(database, row, f"an unexpected fault, {count} times in a row: {error}")
        else:
            acts.postpone(database, row, f"an unexpected fault, tried again: {error}", surprises=count)


def _moves_first(row: Deployment, decision: Decision, look: Look) -> bool:
    """Whether something that serves is about to be moved with nothing of the new version running yet.

    A bundle that cannot be had must be found out before what runs is stopped for it.
    """
    begins = decision.kind == "enter" and (row.stage, row.phase) == (0, "start") and not row.going_back
    return begins and not of_side(row, look, "new")


def stages_of(row: Deployment, previous: Deployment | None) -> tuple[Stage, ...]:
    """The stages the row walks now; the same for every tick of the rollout."""
    old = previous.order.instances if previous else 0
    if row.going_back:
        return back_stages(old, row.order.version)
    return forward_stages(row.order, old)


def _look(
    database: Database, row: Deployment, previous: Deployment | None, stages: tuple[Stage, ...]
) -> tuple[Deployment, Look]:
    with database.read() as uow:
        now, permit = uow.now(), None if row.going_back else _permit(uow, row)
        instances = of_rollout(uow, row)
    fresh = each_of(lambda each: _fresh(database, row, previous, each), instances)
    if row.phase == "hold" and row.stage < len(stages) and stages[row.stage].judged and not row.going_back:
        seen = _sample(database, row, fresh)
        with database.begin() as uow:
            row = acts.keep_sample(uow, row, seen)
    judged = row.measured.get("judged_at") == row.stage
    ends = [each.port for each in instances if each.wanted == "draining" and each.stop_after is None]
    under_way = database.tool(Router).under_way(ends) if ends and row.phase == "stop" else 0
    timeout = previous.order.process.health.timeout if previous else timedelta(0)
    return row, Look(now, fresh, permit, row.judgement if judged else None, instances, under_way, timeout)


def of_rollout(uow: UnitOfWork, row: Deployment) -> list[Instance]:
    """The instances of a rollout and of what ran before it, but for stopped ones."""
    owners = [row.id, *([row.previous_id] if row.previous_id else [])]
    return store.load_instances(uow, {"deployment_id": owners, "wanted": ["running", "draining"]})


def _permit(uow: UnitOfWork, row: Deployment) -> str | None:
    try:
        return uow.tool(Permit).check(uow, row)
    except Exception as error:
        log.exception("the permit of %s could not be had", row.id)
        return f"whether it may go on could not be decided: {error}"


def _fresh(database: Database, row: Deployment, previous: Deployment | None, instance: Instance) -> Instance:
    order = order_of(row, previous, instance)
    seen = launch.look_at(database, order, instance)
    for _ in range(LOOKS - 1):
        if seen.status != "unhealthy":
            break
        time.sleep(LOOK_AGAIN_S)
        seen = launch.look_at(database, order, instance)
    return seen


def order_of(row: Deployment, previous: Deployment | None, instance: Instance) -> Order:
    """The order by which an instance runs: a baseline and the old side run the one before."""
    is_new = instance.deployment_id == row.id and instance.side == "main"
    return row.order if is_new or previous is None else previous.order


def _sample(
    database: Database, row: Deployment, instances: list[Instance]
) -> dict[str, dict[str, dict[str, float]]]:
    """Counters of both sides, by instance; what cannot be scraped is missing, never zero."""
    seen: dict[str, dict[str, dict[str, float]]] = {"new": {}, "baseline": {}}
    metrics = row.order.process.metrics
    source = database.tool(MetricSource)
    for each in instances:
        if metrics is None or each.deployment_id != row.id or each.wanted != "running":
            continue
        try:
            samples = source.scrape(each.port, metrics.path)
        except Retry as error:
            log.warning("metrics of %s: %s", each.id, error)
            continue
        side = "baseline" if each.side == "baseline" else "new"
        seen[side][each.id] = read_counters(row.order.canary_metrics, samples)
    return seen


def reconcile(database: Database) -> None:
    """Restart what died, end what is no longer wanted, and wake rollouts that lost their tick."""
    keep_running(database)
    with database.read() as uow:
        if not store.overdue(uow, uow.now() - LATE, limit=1):
            return  # the usual case takes nobody's turn to write
    with database.begin() as uow:
        for deployment_id, revision in store.overdue(uow, uow.now() - LATE):
            slot = int(uow.now().timestamp() // LATE.total_seconds())
            args = {"deployment_id": deployment_id, "revision": revision}
            workflow.start(uow, "deploy.tick", f"{deployment_id}/{revision}/late-{slot}", args)


FLOWS = {"deploy.tick": workflow.Flow(tick)}
CHORES = (workflow.Chore("deploy.reconcile", 1.0, reconcile),)
