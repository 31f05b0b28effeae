"""Strategies as values: rules that hold for every order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rollouts import order

from clearway.catalog import CanaryStep, StrategySpec
from clearway.deploy.strategies import back_stages, forward_stages, plan_steps


@st.composite
def specs(draw: Any) -> StrategySpec:
    kind = draw(st.sampled_from(["recreate", "rolling", "blue-green", "canary"]))
    if kind == "canary":
        shares = sorted(draw(st.sets(st.integers(1, 99), max_size=5)))
        return StrategySpec(
            kind=kind, steps=tuple(CanaryStep(weight=s, hold=timedelta(seconds=1)) for s in [*shares, 100])
        )
    if kind == "rolling":
        surge = draw(st.integers(0, 5))
        unavailable = draw(st.integers(0 if surge else 1, 5))
        return StrategySpec(kind=kind, surge=surge, unavailable=unavailable)
    return StrategySpec(kind=kind)


class Walk:
    """Walks stages as the tick does, and keeps what runs and what serves."""

    def __init__(self, old: int) -> None:
        self.runs = {"old": old, "new": 0, "baseline": 0}
        self.weights = {"old": 100} if old else {}

    def through(self, stage: Any) -> None:
        for side, count in stage.run.items():
            self.runs[side] = max(self.runs[side], count)
        self.weights = dict(stage.weights)


@given(spec=specs(), instances=st.integers(1, 12), old=st.integers(0, 12))
def test_every_stage_can_be_served(spec: StrategySpec, instances: int, old: int) -> None:
    """Weights sum to 100 or nobody is served; who gets traffic runs; at the end only the new side serves."""
    walk = Walk(old)
    stages = forward_stages(order(strategy=spec, instances=instances), old)
    for stage in stages:
        walk.through(stage)
        assert sum(walk.weights.values()) in (0, 100)
        assert all(walk.runs[side] > 0 for side, weight in walk.weights.items() if weight)
        for side, keep in stage.stop.items():
            walk.runs[side] = min(walk.runs[side], keep)
    assert walk.weights == {"new": 100}
    assert walk.runs["new"] == instances
    assert walk.runs["baseline"] == 0


@given(spec=specs(), instances=st.integers(1, 12), old=st.integers(1, 12))
def test_the_old_side_outlives_the_wait_for_the_new_one(spec: StrategySpec, instances: int, old: int) -> None:
    """But for recreate, and for rolling that may be short of instances, nothing old is stopped before the
    new side serves; the last old instance never is."""
    if spec.kind == "recreate" or (spec.kind == "rolling" and spec.unavailable):
        return
    walk = Walk(old)
    for stage in forward_stages(order(strategy=spec, instances=instances), old):
        walk.through(stage)
        if "old" in stage.stop and old <= instances:
            assert walk.weights.get("new", 0) > 0
        for side, keep in stage.stop.items():
            walk.runs[side] = min(walk.runs[side], keep)
        assert walk.runs["old"] > 0


@given(
    instances=st.integers(1, 12),
    old=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
)
def test_rolling_keeps_its_limits(instances: int, old: int, surge: int, unavailable: int) -> None:
    """Never more than `surge` above, never more than `unavailable` below what is wanted."""
    if surge + unavailable == 0:
        return
    spec = StrategySpec(kind="rolling", surge=surge, unavailable=unavailable)
    walk = Walk(old)
    least = min(old, instances - unavailable)
    for stage in forward_stages(order(strategy=spec, instances=instances), old):
        walk.through(stage)
        if stage.run:
            assert walk.runs["old"] + walk.runs["new"] <= instances + surge
        for side, keep in stage.stop.items():
            walk.runs[side] = min(walk.runs[side], keep)
        assert walk.runs["old"] + walk.runs["new"] >= least


@given(spec=specs(), instances=st.integers(1, 12))
def test_the_first_release_is_compared_with_nothing(spec: StrategySpec, instances: int) -> None:
    """Whatever the strategy: up by health only, and the plan says so."""
    stages = forward_stages(order(strategy=spec, instances=instances), 0)
    assert not any(stage.judged or "baseline" in stage.run or "old" in stage.weights for stage in stages)
    assert any("nothing to compare with" in step.text for step in plan_steps(order(strategy=spec), 0))


@given(old=st.integers(0, 12))
def test_the_way_back_serves_before_it_stops(old: int) -> None:
    """All of the old side, all the traffic to it, and only then is the new side stopped."""
    (stage,) = back_stages(old, "1.1.0")
    assert stage.run == ({"old": old} if old else {})
    assert stage.weights == ({"old": 100} if old else {})
    assert stage.stop == {"new": 0, "baseline": 0}


@given(share=st.integers(1, 50), instances=st.integers(1, 12))
def test_canary_and_baseline_are_alike(share: int, instances: int) -> None:
    """Up to half the traffic both have the same share and as many instances."""
    steps = (CanaryStep(weight=share), CanaryStep(weight=100))
    stage = forward_stages(order(strategy=StrategySpec(kind="canary", steps=steps), instances=instances), 1)[
        0
    ]
    assert stage.weights["new"] == stage.weights["baseline"]
    assert stage.run["new"] == stage.run["baseline"]
