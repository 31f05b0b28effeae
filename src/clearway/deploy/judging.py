"""Asks the judge that the strategy names, and says what follows. Pure.

Rules:
1. Each judged stage is one announced look; its share of the data follows from the plan, weight x hold.
2. A look may be asked again while some metric is blind. What was tested at it keeps the data that it was
   tested on, so that each metric is tested once a look, however long a canary is held.
3. The compatible judge stops at a score of marginal or below, and must reach pass at the last stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from clearway.catalog import JudgeSpec

from .measure import judge_inputs, series_inputs
from .model import Deployment, Stage

if TYPE_CHECKING:
    from .judges import Judgement, MetricInput

Next = Literal["continue", "wait", "back"]
SHORTEST_S = 1.0  # a stage without a hold is looked at for one sample


def judge(deployment: Deployment, stages: Sequence[Stage]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The judgement of everything measured so far, as JSON; and the data each metric was tested on."""
    spec = deployment.order.strategy.judge or JudgeSpec()
    metrics, measured = deployment.order.canary_metrics, deployment.measured
    last = not any(stage.judged for stage in stages[deployment.stage + 1 :])
    if spec.kind == "kayenta":
        return _compatible(series_inputs(metrics, measured), last).to_json(), {}
    from .judges import native  # scipy takes most of a second; only a judging worker pays for it

    shares = shares_of(stages)
    settings = native.Settings(
        alpha=spec.error_rate,
        looks=len(shares),
        look=1 + sum(stage.judged for stage in stages[: deployment.stage]),
        shares=shares,
        await_minimum=True,
    )
    before = measured.get("tested", {})
    tested = dict(before.get("data", {})) if before.get("stage") == deployment.stage else {}
    inputs = [_as_tested(each, tested) for each in judge_inputs(metrics, measured)]
    judgement = native.judge(inputs, settings)
    for given, verdict in zip(inputs, judgement.metrics, strict=False):
        if verdict.p_value is not None:
            tested[given.name] = [list(given.baseline), list(given.canary)]
    return judgement.to_json(), {"stage": deployment.stage, "data": tested}


def shares_of(stages: Sequence[Stage]) -> tuple[float, ...]:
    """The part of all information that is there at each judged stage, as planned.

    What two samples of sizes a and b tell grows with a * b / (a + b).
    """
    canary = baseline = 0.0
    found = []
    for stage in stages:
        if stage.judged:
            seconds = max(stage.hold.total_seconds(), SHORTEST_S)
            canary += seconds * stage.weights.get("new", 0)
            baseline += seconds * stage.weights.get("baseline", 0)
            found.append(canary * baseline / (canary + baseline))
    return tuple(each / found[-1] for each in found)


def _as_tested(given: MetricInput, tested: Mapping[str, Any]) -> MetricInput:
    if given.name not in tested:
        return given
    baseline, canary = tested[given.name]
    return replace(given, baseline=baseline, canary=canary)


def _compatible(inputs: list[MetricInput], last: bool) -> Judgement:
    """The compatible judge, with its rule for a run of several intervals."""
    from .judges import kayenta

    config = kayenta.config_for(inputs)
    judgement = kayenta.judge_inputs(inputs, config)
    if judgement.score is None:
        return judgement
    verdict, stops = kayenta.run_verdict([judgement.score], config, ended=last)
    reason = judgement.reason
    if stops and verdict == "fail":
        needed = f"above {config.marginal_score:g} is needed to go on, {config.pass_score:g} at the end"
        reason = f"{reason} ({needed})"
    return replace(judgement, verdict=verdict, reason=reason)


def what_follows(judgement: Mapping[str, Any], spec: JudgeSpec | None, last: bool) -> Next:
    """Pass goes on, fail goes back; marginal goes on until the last look; too little data is never a pass."""
    verdict = judgement["verdict"]
    if verdict == "pass" or (verdict == "marginal" and not last):
        return "continue"
    if verdict != "inconclusive":
        return "back"
    choice = (spec or JudgeSpec()).inconclusive
    if choice == "rollback":
        return "back"
    # "continue" lets an undecided look go on, but the last one must have seen something.
    return "wait" if choice == "hold" or last else "continue"
