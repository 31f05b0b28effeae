"""Making decisions true: the world first, idempotently, then one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from clearway import ledger, workflow
from clearway.kernel import SYSTEM, Permanent
from clearway.storage import Database, UnitOfWork

from . import launch, measure, store, traffic
from .decide import Decision, Look, side_of
from .events import DeploymentFinished, DeploymentGoingBack, JudgementMade, ServingAgain, TrafficMoved
from .judging import judge as ask_judge
from .model import Deployment, Instance, Order, Side, Stage, group_of
from .ports import Target

HEALTH_WAIT_S = 2.0
HEALTH_POLL_S = 0.04
RETRY_S = 1.0


def act(
    database: Database,
    row: Deployment,
    previous: Deployment | None,
    stages: tuple[Stage, ...],
    decision: Decision,
    look: Look,
) -> None:
    """Do what was decided, and commit it."""
    if decision.kind == "launch":
        _launch(database, row, previous, stages[decision.stage], decision)
    elif decision.kind == "shift":
        _shift(database, row, decision, look)
    elif decision.kind == "drain":
        _drain(database, row, decision)
    elif decision.kind == "stop":
        _stop(database, row, previous, decision)
    elif decision.kind == "go-back":
        _go_back(database, row, decision.reason)
    elif decision.kind == "finish":
        _finish(database, row, previous, decision)
    elif decision.kind == "wait":
        _wait(database, row, decision, look)
    else:
        with database.begin() as uow:
            keep_statuses(uow, look.read, look.instances)
            commit(uow, row, stage=decision.stage, phase=decision.phase, reason=row.reason)


def commit(uow: UnitOfWork, row: Deployment, *, wait_s: float = 0.0, **changes: Any) -> Deployment | None:
    """The row at its next revision with the next tick; None when another tick was first."""
    now = uow.now()
    if (changes.get("stage", row.stage), changes.get("phase", row.phase)) != (row.stage, row.phase):
        changes.setdefault("phase_since", now)
    if row.state in ("pending", "held") and "state" not in changes:
        changes["state"] = "rolling-back" if row.going_back else "running"
    if "measured" not in changes and "surprises" in row.measured:
        changes["measured"] = {name: it for name, it in row.measured.items() if name != "surprises"}
    wake = now + timedelta(seconds=wait_s)
    saved = store.save(uow, replace(row, wake_at=wake, **changes))
    if saved and "held" in (row.state, saved.state) and row.state != saved.state:
        _record(uow, saved, "held" if saved.state == "held" else "resumed", saved.reason, {})
    if saved and saved.active:
        args = {"deployment_id": saved.id, "revision": saved.revision}
        workflow.start(uow, "deploy.tick", f"{saved.id}/{saved.revision}", args, wake if wait_s else None)
    return saved


def _ids(row: Deployment) -> dict[str, str]:
    order = row.order
    return {
        "deployment_id": row.id,
        "service": order.service,
        "environment": order.environment,
        "version": order.version,
    }


def _record(uow: UnitOfWork, row: Deployment, action: str, reason: str, data: Mapping[str, Any]) -> None:
    order = row.order
    where = {"service": order.service, "environment": order.environment, "version": order.version}
    ledger.append(
        uow,
        SYSTEM,
        f"deployment.{action}",
        f"deployment:{row.id}",
        reason=reason,
        digest=order.release_digest,
        data=where | dict(data),
    )


def keep_statuses(uow: UnitOfWork, read: Iterable[Instance], seen: Iterable[Instance]) -> list[Instance]:
    """Write what was just seen, but of what changed since it was read; what was written."""
    known = {each.id: each for each in read}
    return [each for each in seen if store.note_seen(uow, known[each.id], each)]


def _launch(
    database: Database, row: Deployment, previous: Deployment | None, stage: Stage, decision: Decision
) -> None:
    made = launch_rows(database, row, previous, stage)
    for order, each in made:
        start_instance(database, order, each)
    started = [replace(each, status="starting") for _, each in made]
    fresh = [_until_healthy(database, order, each) for order, each in made]
    with database.begin() as uow:
        keep_statuses(uow, started, fresh)
        # What was launched has its whole time to become healthy, however long launching took.
        commit(uow, row, reason=decision.reason, phase_since=uow.now())


def launch_rows(
    database: Database, row: Deployment, previous: Deployment | None, stage: Stage
) -> list[tuple[Order, Instance]]:
    """Rows for what the stage lacks, and all that has a row and was never started: a killed tick's included.

    Counted again under the row's lock, so that a slow tick and its replacement make no instance twice.
    """
    with database.begin() as uow:
        if store.load(uow, row.id, lock=True).revision != row.revision:
            return []
        owners = [row.id, *([row.previous_id] if row.previous_id else [])]
        there = store.load_instances(uow, {"deployment_id": owners, "wanted": "running"})
        made: list[tuple[Order, Instance]] = []
        for side, wanted in stage.run.items():
            order = _order(row, previous, side)
            mine = [each for each in there if side_of(row, each) == side]
            made += [(order, each) for each in mine if each.status == "new"]
            fresh = launch.new_instances(uow, row, order, side, max(0, wanted - len(mine)))
            made += [(order, each) for each in fresh]
        return made


def start_instance(database: Database, order: Order, instance: Instance) -> None:
    """Start one instance and note that it was started."""
    launch.start(database, order, instance)
    with database.begin() as uow:
        store.update_instance(uow, instance.id, status="starting", started_at=uow.now())


def _order(row: Deployment, previous: Deployment | None, side: Side) -> Order:
    if side == "new":
        return row.order
    if previous is None:
        raise Permanent(f"{row.id} has nothing before it that could run as {side}")
    return previous.order


def _until_healthy(database: Database, order: Order, instance: Instance) -> Instance:
    """Look for a short while, so that a quick service need not wait for the next tick."""
    deadline = time.monotonic() + HEALTH_WAIT_S
    seen = launch.look_at(database, order, replace(instance, status="starting"))
    while seen.status == "starting" and time.monotonic() < deadline:
        time.sleep(HEALTH_POLL_S)
        seen = launch.look_at(database, order, seen)
    return seen


def _shift(database: Database, row: Deployment, decision: Decision, look: Look) -> None:
    weights = _weights(row, decision)
    with database.begin() as uow:
        if store.load(uow, row.id).revision != row.revision:
            return
        keep_statuses(uow, look.read, look.instances)
        store.set_weights(uow, row.order.service, row.order.environment, weights)
    traffic.tell_router(database, row.order.service, row.order.environment)
    with database.begin() as uow:
        new = sum(weight for group, weight in weights.items() if group == row.id)
        since = row.traffic_since or (uow.now() if new and not row.going_back else None)
        saved = commit(
            uow,
            row,
            stage=decision.stage,
            phase=decision.phase,
            weights=weights,
            traffic_since=since,
            reason=row.reason if row.going_back else decision.reason,
        )
        if saved:
            _record(uow, row, "traffic-moved", decision.reason, {"weights": weights})
            uow.publish(TrafficMoved(**_ids(row), weights=weights))


def _weights(row: Deployment, decision: Decision) -> dict[str, int]:
    names: dict[Side, str] = {
        "new": row.id,
        "baseline": group_of(row.id, "baseline"),
        "old": row.previous_id or "",
    }
    return {names[side]: weight for side, weight in decision.weights.items() if weight}


def _drain(database: Database, row: Deployment, decision: Decision) -> None:
    with database.begin() as uow:
        if store.load(uow, row.id).revision != row.revision:
            return
        for each in decision.instances:
            store.update_instance(uow, each.id, wanted="draining", stop_after=None)
        if not row.weights and row.traffic_since is None:
            # Recreate: what stops now is what serves; the router says so before the first process ends.
            store.set_weights(uow, row.order.service, row.order.environment, {})
    traffic.tell_router(database, row.order.service, row.order.environment)
    with database.begin() as uow:
        commit(uow, row, stage=decision.stage, phase=decision.phase, wait_s=decision.wait_s)


def _stop(database: Database, row: Deployment, previous: Deployment | None, decision: Decision) -> None:
    target = database.tool(Target)
    for each in decision.instances:
        target.stop(
            each.id, launch.grace(_order(row, previous, "new" if each.deployment_id == row.id else "old"))
        )
    with database.begin() as uow:
        for each in decision.instances:
            store.update_instance(uow, each.id, wanted="stopped", status="stopped", pid=None)
        commit(uow, row, stage=decision.stage, phase=decision.phase)


def _go_back(database: Database, row: Deployment, reason: str) -> None:
    with database.begin() as uow:
        begin_way_back(uow, row, reason)


def begin_way_back(uow: UnitOfWork, row: Deployment, reason: str) -> Deployment | None:
    """Turn the loop round, in this transaction; None when another tick was first."""
    reached = row.traffic_since is not None
    saved = commit(
        uow,
        row,
        stage=0,
        phase="start",
        phase_since=uow.now(),  # also where it turns in its first phase: the way back has its own patience
        state="rolling-back",
        going_back=True,
        reason=reason,
    )
    if saved:
        _record(uow, row, "going-back", reason, {"reached_traffic": reached})
        uow.publish(DeploymentGoingBack(**_ids(row), reason=reason, reached_traffic=reached))
    return saved


def serve_alone(uow: UnitOfWork, row: Deployment) -> None:
    """All traffic to a rollout that ended, and say so; the router is told by whoever calls."""
    weights = {row.id: 100}
    store.set_weights(uow, row.order.service, row.order.environment, weights)
    _record(uow, row, "traffic-moved", "what ran before is healthy again, and serves", {"weights": weights})
    uow.publish(TrafficMoved(**_ids(row), weights=weights))
    uow.publish(ServingAgain(**_ids(row)))


def _finish(database: Database, row: Deployment, previous: Deployment | None, decision: Decision) -> None:
    outcome = decision.outcome or "failed"
    states: dict[str, Any] = {"succeeded": "succeeded", "rolled-back": "rolled-back"}
    order = row.order
    reason = decision.reason if outcome == "failed" else row.reason
    with database.begin() as uow:
        saved = commit(
            uow,
            row,
            state=states.get(outcome, "failed"),
            outcome=outcome,
            finished_at=uow.now(),
            reason=reason,
        )
        if saved is None:
            return
        if outcome == "succeeded":
            store.set_current(uow, order.service, order.environment, row.id)
            _keep_warm(uow, row, uow.now() + order.strategy.warm)
        reached = row.traffic_since is not None
        _record(uow, row, "finished", reason, {"outcome": outcome, "reached_traffic": reached})
        uow.publish(
            DeploymentFinished(
                **_ids(row), outcome=outcome, reason=reason, reached_traffic=reached, kind=order.kind
            )
        )


def _keep_warm(uow: UnitOfWork, row: Deployment, until: datetime) -> None:
    """What ran before stays up until then, for an instant way back; the chore ends it afterwards."""
    if not row.previous_id:
        return
    for each in store.load_instances(uow, {"deployment_id": row.previous_id, "wanted": "running"}):
        store.update_instance(uow, each.id, stop_after=until)


def _wait(database: Database, row: Deployment, decision: Decision, look: Look) -> None:
    state: Any = "rolling-back" if row.going_back else "held" if decision.held else "running"
    with database.begin() as uow:
        keep_statuses(uow, look.read, look.instances)
        # A judge that could not tell is asked again with more data.
        measured = dict(row.measured) | {"judged_at": None} if decision.held else row.measured
        commit(uow, row, wait_s=decision.wait_s, state=state, reason=decision.reason, measured=measured)


def keep_sample(
    uow: UnitOfWork, row: Deployment, seen: Mapping[str, Mapping[str, dict[str, float]]]
) -> Deployment:
    """The row with one look added to what was measured; a second time in one revision adds nothing."""
    kept = store.load(uow, row.id)
    if kept.revision != row.revision or kept.measured.get("revision") == row.revision:
        return kept
    at = uow.now()
    last_at = kept.measured.get("at")
    seconds = at.timestamp() - float(last_at) if last_at else 0.0
    measured = measure.add_look(kept.measured, seen, seconds)
    kept_on = ("judged_at", "tested", "surprises")
    measured |= {name: kept.measured[name] for name in kept_on if name in kept.measured}
    measured |= {"revision": row.revision, "at": at.timestamp()}
    store.set_measured(uow, row.id, row.revision, measured)
    point = measure.chart_point(row.order.canary_metrics, measured)
    store.add_sample(uow, row.id, row.revision, point | {"weights": dict(row.weights), "stage": row.stage})
    return replace(kept, measured=measured)


def judge(database: Database, row: Deployment, stages: tuple[Stage, ...]) -> None:
    """Ask the judge about everything measured, and record what it said."""
    judgement, tested = ask_judge(row, stages)
    with database.begin() as uow:
        look = row.look + (judgement["verdict"] != "inconclusive")
        measured = dict(row.measured) | {"judged_at": row.stage, "tested": tested}
        saved = commit(uow, row, judgement=judgement, look=look, measured=measured, state=row.state)
        # A held canary is judged every second; that it is still too little is no news.
        before = (row.judgement or {}).get("verdict") if row.state == "held" else None
        if saved and judgement["verdict"] != before:
            _record(uow, row, "judged", judgement["reason"], {"verdict": judgement["verdict"]})
            uow.publish(JudgementMade(**_ids(row), judgement=judgement))


def postpone(database: Database, row: Deployment, reason: str, surprises: int = 0) -> None:
    """The world is busy: say so, and look again soon; `surprises`: unexpected faults in a row so far."""
    with database.begin() as uow:
        measured = dict(row.measured) | {"surprises": surprises} if surprises else row.measured
        commit(uow, row, wait_s=RETRY_S, reason=reason, measured=measured)


def fail(database: Database, row: Deployment, reason: str) -> None:
    """It can't be done: go back, or, on the way back, say that people are needed."""
    if not row.going_back:
        _go_back(database, row, reason)
        return
    decision = Decision("finish", row.stage, row.phase, f"going back failed: {reason}", outcome="failed")
    _finish(database, row, None, decision)
