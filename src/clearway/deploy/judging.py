"""Asks the judge that the strategy names, and says what follows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from clearway.catalog import JudgeSpec

from .measure import judge_inputs, series_inputs
from .model import Deployment, Stage

Next = Literal["continue", "wait", "back"]


def judge(deployment: Deployment, stages: tuple[Stage, ...]) -> dict[str, Any]:
    """The judgement of everything measured so far, as JSON."""
    from .judges import native  # scipy takes most of a second; only a judging worker pays for it

    spec = deployment.order.strategy.judge or JudgeSpec()
    metrics, measured = deployment.order.canary_metrics, deployment.measured
    if spec.kind == "kayenta":
        from .judges import kayenta

        return kayenta.judge_inputs(series_inputs(metrics, measured)).to_json()
    looks = sum(stage.judged for stage in stages)
    settings = native.Settings(alpha=spec.error_rate, looks=looks, look=deployment.look + 1)
    judgement: dict[str, Any] = native.judge(judge_inputs(metrics, measured), settings).to_json()
    return judgement


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
