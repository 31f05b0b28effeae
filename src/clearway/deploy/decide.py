"""What a rollout does next: a pure function of its row, its stages and one look at the world.

Rules:
1. Stages are walked one by one, each through start, shift, hold, drain, stop; empty phases are passed over.
2. A side gets traffic only when every instance it needs is healthy.
3. What is to be stopped leaves the router first; it is stopped after DRAIN, and when its last request is
   answered, or LAST_REQUESTS later.
4. Whatever goes wrong on the way forward turns the same loop round; the way back never asks for a permit.
5. Going back ends well only when what ran before is healthy and serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from .judging import what_follows
from .model import Deployment, Instance, Outcome, Phase, Side, Stage

DRAIN = timedelta(seconds=1)
LAST_REQUESTS = timedelta(seconds=30)  # then what is still under way is the service's own shutdown's
POLL_S = 0.25
SAMPLE_S = 1.0
HELD_S = 1.0
PATIENCE = timedelta(seconds=30)  # an old version gets at least this long to become healthy

Kind = Literal["wait", "launch", "shift", "judge", "drain", "stop", "go-back", "finish", "enter"]


@dataclass(frozen=True)
class Look:
    """What was seen, at one instant."""

    now: datetime
    instances: Sequence[Instance]  # of this deployment and of the one before, with fresh statuses
    permit: str | None = None  # why the next step must wait
    judgement: Mapping[str, Any] | None = None  # when the judge was asked
    read: Sequence[Instance] = ()  # the same instances as the rows told them, before the look
    under_way: int = 0  # requests that what drains has yet to answer
    old_timeout: timedelta = timedelta(0)  # what ran before has this long to become healthy


@dataclass(frozen=True)
class Decision:
    """One thing to do, and the row's next place."""

    kind: Kind
    stage: int
    phase: Phase
    reason: str = ""
    wait_s: float = 0.0
    missing: Mapping[Side, int] = field(default_factory=dict)  # launch: how many of each side
    weights: Mapping[Side, int] = field(default_factory=dict)  # shift
    instances: Sequence[Instance] = ()  # drain, stop
    outcome: Outcome | None = None  # finish
    held: bool = False  # wait: because somebody or something says so


def decide(row: Deployment, stages: Sequence[Stage], look: Look) -> Decision:
    """The next thing to do."""
    if row.stage >= len(stages):
        return _finish(row)
    stage = stages[row.stage]
    if not row.going_back:
        if lost := _lost(row, look):
            return Decision("go-back", 0, "start", reason=lost)
        if row.halted or (look.permit and row.phase in ("start", "shift")):
            return Decision("wait", row.stage, row.phase, row.halted or look.permit or "", HELD_S, held=True)
    phases = {"start": _start, "shift": _shift, "hold": _hold, "drain": _drain, "stop": _stop}
    return phases[row.phase](row, stages, stage, look)


def side_of(row: Deployment, instance: Instance) -> Side:
    """Which side of this rollout an instance is on."""
    if instance.deployment_id == row.id:
        return "baseline" if instance.side == "baseline" else "new"
    return "old"


def of_side(row: Deployment, look: Look, side: Side) -> list[Instance]:
    """The instances of one side that should run."""
    return [each for each in look.instances if each.wanted == "running" and side_of(row, each) == side]


def _lost(row: Deployment, look: Look) -> str | None:
    """Why the new version has failed, if it has: an instance that served or should serve is gone."""
    for each in of_side(row, look, "new"):
        limit = row.order.process.health.timeout
        if each.status == "dead":
            return f"instance {each.id} of {each.version} ended: {each.detail}"
        # "new" was never started: that is our delay (a full disk, a kill), not its failure.
        if each.status in ("starting", "unhealthy") and look.now - each.started_at > limit:
            within = f"within {limit.total_seconds():.0f} s"
            return f"instance {each.id} of {each.version} was not healthy {within}: {each.detail}"
    return None


def _enter(row: Deployment, stages: Sequence[Stage], stage: int, phase: Phase) -> Decision:
    """Go to a phase, passing over what is empty."""
    while stage < len(stages):
        entered = stages[stage]
        if phase == "start" and not entered.run:
            phase = "shift"
        if phase == "hold" and not entered.hold and not entered.judged:
            phase = "drain"
        if phase == "drain" and not entered.stop:
            stage, phase = stage + 1, "start"
            continue
        break
    return Decision("enter", stage, phase)


def _start(row: Deployment, stages: Sequence[Stage], stage: Stage, look: Look) -> Decision:
    missing = {
        side: count - len(of_side(row, look, side))
        for side, count in stage.run.items()
        if count > len(of_side(row, look, side))
    }
    waiting = [each for side in stage.run for each in of_side(row, look, side) if each.status != "healthy"]
    if missing or any(each.status == "new" for each in waiting):
        return Decision("launch", row.stage, "start", stage.text, missing=missing)
    if not waiting:
        return _enter(row, stages, row.stage, "shift")
    if row.going_back and look.now - row.phase_since > max(PATIENCE, look.old_timeout):
        text = f"what ran before does not become healthy: {waiting[0].detail}"
        return Decision("finish", row.stage, "start", text, outcome="failed")
    limit = max(PATIENCE, look.old_timeout)
    stuck = [each for each in waiting if side_of(row, each) != "new" and look.now - each.started_at > limit]
    if stuck and not row.going_back:
        text = f"no fresh baseline of {stuck[0].version} becomes healthy: {stuck[0].detail}"
        return Decision("go-back", 0, "start", text)
    return Decision("wait", row.stage, "start", f"{len(waiting)} not healthy yet: {stage.text}", POLL_S)


def _shift(row: Deployment, stages: Sequence[Stage], stage: Stage, look: Look) -> Decision:
    following = _enter(row, stages, row.stage, "hold")
    return Decision("shift", following.stage, following.phase, stage.text, weights=stage.weights)


def _hold(row: Deployment, stages: Sequence[Stage], stage: Stage, look: Look) -> Decision:
    left = (stage.hold - (look.now - row.phase_since)).total_seconds()
    if left > 0:
        wait = min(left, SAMPLE_S) if stage.judged else left
        return Decision("wait", row.stage, "hold", stage.text, wait)
    if not stage.judged:
        return _enter(row, stages, row.stage, "drain")
    if look.judgement is None:
        return Decision("judge", row.stage, "hold", stage.text)
    last = not any(each.judged for each in stages[row.stage + 1 :])
    following = what_follows(look.judgement, row.order.strategy.judge, last)
    reason = str(look.judgement["reason"])
    if following == "back":
        return Decision("go-back", 0, "start", f"the canary was judged: {reason}")
    if following == "wait":
        return Decision("wait", row.stage, "hold", f"too little to judge: {reason}", SAMPLE_S, held=True)
    return _enter(row, stages, row.stage, "drain")


def _drain(row: Deployment, stages: Sequence[Stage], stage: Stage, look: Look) -> Decision:
    leaving: list[Instance] = []
    for side, keep in stage.stop.items():
        running = of_side(row, look, side)
        leaving.extend(running[keep:])
    if leaving:
        return Decision("drain", row.stage, "stop", stage.text, DRAIN.total_seconds(), instances=leaving)
    return Decision("enter", row.stage, "stop")


def _stop(row: Deployment, stages: Sequence[Stage], stage: Stage, look: Look) -> Decision:
    left = (DRAIN - (look.now - row.phase_since)).total_seconds()
    draining = [each for each in look.instances if each.wanted == "draining" and each.stop_after is None]
    if draining and left > 0:
        return Decision("wait", row.stage, "stop", stage.text, left)
    if draining and look.under_way and look.now - row.phase_since < LAST_REQUESTS:
        text = f"{look.under_way} requests are still answered: {stage.text}"
        return Decision("wait", row.stage, "stop", text, POLL_S)
    if draining:
        return Decision("stop", row.stage, "stop", stage.text, instances=draining)
    return _enter(row, stages, row.stage + 1, "start")


def _finish(row: Deployment) -> Decision:
    outcome: Outcome = "succeeded"
    if row.going_back:
        outcome = "rolled-back" if row.traffic_since else "aborted-before-traffic"
    return Decision("finish", row.stage, row.phase, row.reason, outcome=outcome)
