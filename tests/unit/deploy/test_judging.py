"""What a judge is asked in a rollout: how often, at which share of the data, and by whose rules."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rollouts import METRIC, order
from scipy import special

from clearway.catalog import CanaryStep, JudgeSpec, StrategySpec, ValuesMetric
from clearway.deploy.judges.sequential import equal_shares, levels
from clearway.deploy.judging import judge, shares_of, what_follows
from clearway.deploy.strategies import forward_stages

LATENCY = ValuesMetric(name="latency", kind="values", histogram="seconds")


def canary(weights: tuple[int, ...], holds: tuple[float, ...] = (), **spec: Any) -> Any:
    """An order whose canary walks these weights, judged by errors and latency."""
    times = holds or (60.0,) * len(weights)
    steps = [CanaryStep(weight=w, hold=timedelta(seconds=s)) for w, s in zip(weights, times, strict=True)]
    strategy = StrategySpec(
        kind="canary", steps=(*steps, CanaryStep(weight=100, hold=timedelta(0))), judge=JudgeSpec(**spec)
    )
    return order("1.1.0", strategy=strategy, canary_metrics=(METRIC, LATENCY))


def asked(given: Any, measured: dict[str, Any], stage: int = 0) -> dict[str, Any]:
    """Ask the judge as a tick does; what was tested is kept in `measured`."""
    row: Any = SimpleNamespace(order=given, measured=measured, stage=stage, look=0)
    answer, measured["tested"] = judge(row, forward_stages(given, 2))
    return answer


def side(bad: int, requests: int, latencies: int = 0) -> dict[str, float]:
    """One side's totals."""
    found = {"errors/events": float(bad), "errors/trials": float(requests)}
    return found | ({"latency/le/0.1": float(latencies), "latency/le/+Inf": float(latencies)})


def test_a_look_has_the_share_of_the_data_that_the_plan_gives_it() -> None:
    """Weight x hold, cumulated: small first steps see little, and may spend little."""
    assert shares_of(forward_stages(canary((10, 25, 50)), 2)) == pytest.approx((10 / 85, 35 / 85, 1.0))
    assert shares_of(forward_stages(canary((10, 10 + 10), (120, 60)), 2)) == pytest.approx((0.5, 1.0))
    assert shares_of(forward_stages(canary((50,)), 2)) == (1.0,)


@pytest.mark.parametrize("weights", [(10, 25, 50), (1, 5, 10, 25, 50)])
def test_step_plans_err_as_often_as_announced(weights: tuple[int, ...]) -> None:
    """200,000 good canaries: 5 %, within four standard errors; with equal shares it was above."""
    shares = shares_of(forward_stages(canary(weights), 2))
    assert shares is not None
    steps = np.diff((0.0, *shares))
    walk = np.random.default_rng(30).normal(size=(200_000, len(shares))) * np.sqrt(steps)
    scores = np.cumsum(walk, axis=1) / np.sqrt(shares)

    def errs(plan: tuple[float, ...]) -> float:
        bounds = -special.ndtri(np.array(levels(0.05, plan)))
        return float(np.mean((scores >= bounds).any(axis=1)))

    margin = 4 * np.sqrt(0.05 * 0.95 / 200_000)
    assert abs(errs(shares) - 0.05) < margin
    assert errs(equal_shares(len(shares))) > 0.05 + margin


def test_a_held_canary_is_tested_once_a_look() -> None:
    """Latency is blind, so the look is asked again and again with more requests: over 60 good canaries the
    same ones fail as at the first time, and no other."""
    given, random = canary((50,), error_rate=0.45), np.random.default_rng(31)
    first, later = set(), set()
    for run in range(60):
        measured: dict[str, Any] = {}
        bad = np.cumsum(random.binomial(60, 0.1, (2, 5)), axis=1)
        for again in range(5):
            requests = 60 * (again + 1)
            totals = {
                "baseline": side(int(bad[0, again]), requests),
                "new": side(int(bad[1, again]), requests),
            }
            answer = asked(given, measured | {"totals": totals} | {"tested": measured.get("tested", {})})
            measured["tested"] = measured.get("tested") or {
                "stage": 0,
                "data": {"errors": [[int(bad[0, 0]), 60], [int(bad[1, 0]), 60]]},
            }
            if answer["verdict"] == "fail":
                (later if again else first).add(run)
    assert first, "at 45 % some good canaries fail"
    assert later == first


def test_what_was_tested_waits_for_what_was_blind() -> None:
    """Errors are tested at the first time and kept; latency joins when it has data, and the look ends."""
    given, measured = canary((50,)), {}
    measured["totals"] = {"baseline": side(2, 100), "new": side(2, 100)}
    answer = asked(given, measured)
    assert answer["verdict"] == "inconclusive"
    measured["totals"] = {"baseline": side(2, 400, 50), "new": side(90, 400, 50)}
    answer = asked(given, measured)
    assert answer["verdict"] == "pass"
    errors = next(each for each in answer["metrics"] if each["name"] == "errors")
    assert errors["data"]["canary"] == {"events": 2, "trials": 100}


def test_too_little_data_is_not_tested_in_a_rollout() -> None:
    """Ten of ten failing is waited for until it is enough: it would otherwise be tested twice at one look."""
    given, measured = canary((50,)), {}
    measured["totals"] = {"baseline": side(0, 10), "new": side(10, 10)}
    answer = asked(given, measured)
    assert answer["verdict"] == "inconclusive"
    assert all(each["p_value"] is None for each in answer["metrics"])
    measured["totals"] = {"baseline": side(0, 20), "new": side(20, 20)}
    assert asked(given, measured)["verdict"] == "fail"


def test_the_next_stage_sees_everything_again() -> None:
    """A look's data are its own: at the next one all that came since is tested."""
    given, measured = canary((25, 50)), {}
    measured["totals"] = {"baseline": side(2, 100, 50), "new": side(2, 100, 50)}
    assert asked(given, measured)["verdict"] == "pass"
    measured["totals"] = {"baseline": side(2, 400, 50), "new": side(90, 400, 50)}
    answer = asked(given, measured, stage=1)
    assert (answer["verdict"], answer["look"], answer["looks"]) == ("fail", 2, 2)


def series(*factors: float) -> dict[str, Any]:
    """Twenty looks of metrics whose canary is so many times the baseline."""
    random = np.random.default_rng(32)
    sides: dict[str, list[dict[str, float]]] = {"baseline": [], "new": []}
    for _ in range(20):
        for name, times in (("baseline", (1.0,) * len(factors)), ("new", factors)):
            step = {}
            for at, factor in enumerate(times):
                step[f"m{at}/events"] = float(round(1000 * factor + random.normal(0, 5)))
                step[f"m{at}/trials"] = 100_000.0
            sides[name].append(step)
    return {"steps": sides}


def compatible(count: int, tolerance: float = 0.0) -> Any:
    """An order judged by the compatible judge on so many metrics."""
    metrics = [
        METRIC.model_copy(update={"name": f"m{at}", "critical": False, "tolerance": tolerance})
        for at in range(count)
    ]
    given = canary((25, 50), kind="kayenta")
    return given.model_copy(update={"canary_metrics": tuple(metrics)})


def test_the_compatible_judge_stops_at_marginal() -> None:
    """Three of four metrics pass: a score of exactly 75 stops the run, as in the original."""
    answer = asked(compatible(4), series(1.5, 1.0, 1.0, 1.0))
    assert answer["score"] == 75.0
    assert answer["verdict"] == "fail"
    assert what_follows(answer, None, False) == "back"
    assert "above 75" in answer["reason"]


def test_the_compatible_judge_must_pass_at_the_end() -> None:
    """Between marginal and pass it goes on, but not at the last stage."""
    measured = series(1.5, 1.0, 1.0, 1.0, 1.0)
    answer = asked(compatible(5), measured)
    assert (answer["score"], what_follows(answer, None, False)) == (80.0, "continue")
    answer = asked(compatible(5), measured, stage=1)
    assert (answer["verdict"], what_follows(answer, None, True)) == ("fail", "back")


@pytest.mark.parametrize(("tolerance", "verdict"), [(0.0, "fail"), (0.2, "fail"), (0.8, "pass")])
def test_the_compatible_judge_heeds_a_tolerance(tolerance: float, verdict: str) -> None:
    """It is the ratio of means that is still allowed: 1.5 times passes where 1.8 times may be."""
    assert asked(compatible(1, tolerance), series(1.5))["verdict"] == verdict
