"""The default judge: what it finds, what it lets pass, and when it says that it does not know."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.deploy.judges import MetricInput, native
from clearway.deploy.judges.native import Settings
from clearway.kernel import Invalid


def errors(baseline: tuple[int, int], canary: tuple[int, int], critical: bool = True) -> MetricInput:
    return MetricInput("errors", "proportion", "increase", critical, 0.0, baseline, canary)


def latency(baseline: list[float], canary: list[float], tolerance: float = 0.5) -> MetricInput:
    return MetricInput("latency", "values", "increase", False, tolerance, baseline, canary)


def rate_of(trial: Callable[[np.random.Generator], bool], runs: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    return sum(trial(random) for _ in range(runs)) / runs


def fails(metric: MetricInput, alpha: float = 0.05) -> bool:
    return native.judge([metric], Settings(alpha=alpha)).metrics[0].degraded


def test_eight_percent_errors_are_found_in_seconds() -> None:
    """A canary with 8 % errors beside a clean baseline, looked at 20 times over its steps (25 requests a look
    and side), fails within 200 requests a side nearly always, and within 125 mostly."""
    random, stopped = np.random.default_rng(7), []
    for _ in range(60):
        bad = np.cumsum(random.binomial(25, 0.08, 8))
        for look, seen in enumerate(bad, 1):
            n = 25 * look
            same = latency([0.01] * n, [0.01] * n)
            plan = Settings(looks=20, look=look)
            if native.judge([errors((0, n), (int(seen), n)), same], plan).verdict == "fail":
                stopped.append(n)
                break
        else:
            stopped.append(10_000)
    assert np.mean(np.array(stopped) <= 200) >= 0.95
    assert np.mean(np.array(stopped) <= 125) >= 0.6


def test_a_good_canary_passes_every_look() -> None:
    """A canary with the baseline's 1 % of errors and its latencies passes a plan of 8 looks at least 95 % of
    the time, from 50 requests a side on."""
    random, passed = np.random.default_rng(8), 0
    for _ in range(40):
        a, b = np.cumsum(random.binomial(50, 0.01, 8)), np.cumsum(random.binomial(50, 0.01, 8))
        times = random.lognormal(-4, 0.4, (2, 400)).tolist()
        looks = [
            native.judge(
                [
                    errors((int(a[k]), 50 * (k + 1)), (int(b[k]), 50 * (k + 1))),
                    latency(times[0][: 50 * (k + 1)], times[1][: 50 * (k + 1)], 0.0),
                ],
                Settings(looks=8, look=k + 1),
            ).verdict
            for k in range(8)
        ]
        passed += looks == ["pass"] * 8
    assert passed >= 38


def test_one_look_errs_as_often_as_announced() -> None:
    """Equal canaries, three metrics at once, 5 %: degraded in at most 5 % (and not never) of 300 runs."""

    def trial(random: np.random.Generator) -> bool:
        times = random.lognormal(0, 0.5, (2, 60)).tolist()
        counts = random.poisson(40, 2)
        bad = random.binomial(90, 0.1, 2)
        found = native.judge(
            [
                MetricInput("latency", "values", "either", False, 0.0, times[0], times[1]),
                MetricInput(
                    "restarts", "count", "increase", False, 0.0, (int(counts[0]), 9), (int(counts[1]), 9)
                ),
                errors((int(bad[0]), 90), (int(bad[1]), 90)),
            ],
            Settings(alpha=0.05),
        )
        return any(metric.degraded for metric in found.metrics)

    assert 0.01 <= rate_of(trial, 300, 9) <= 0.07


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_does_not_matter(unit: float) -> None:
    """+50 % on normal data (mean 10, n = 60) is found in whatever unit it is measured."""

    def trial(random: np.random.Generator) -> bool:
        baseline = (random.normal(10, 2, 60) * unit).tolist()
        return fails(latency(baseline, (random.normal(15, 3, 60) * unit).tolist(), 0.0), 0.005)

    assert rate_of(trial, 40, 10) == 1.0


def test_sparse_errors_are_found() -> None:
    """Poisson 0.1 to 1.0 errors a point at n = 50: always; 1 to 2: over 90 % (the old judge: 40 and 33 %)."""

    def trial(low: float, high: float) -> Callable[[np.random.Generator], bool]:
        def run(random: np.random.Generator) -> bool:
            x0, x1 = int(random.poisson(low * 50)), int(random.poisson(high * 50))
            return fails(MetricInput("errors", "count", "increase", True, 0.0, (x0, 50), (x1, 50)), 0.005)

        return run

    assert rate_of(trial(0.1, 1.0), 100, 11) == 1.0
    assert rate_of(trial(1.0, 2.0), 100, 12) >= 0.9


def test_small_shifts_are_found_more_often_at_the_same_false_positives() -> None:
    """+10 % (CV 20 %) at n = 50: found in over 40 % at 0.5 % false positives (the old judge: 29 %)."""

    def trial(mean: float) -> Callable[[np.random.Generator], bool]:
        def run(random: np.random.Generator) -> bool:
            baseline, canary = random.normal(10, 2, 50), random.normal(mean, 2, 50)
            return fails(latency(baseline.tolist(), canary.tolist(), 0.0), 0.005)

        return run

    assert rate_of(trial(11.0), 300, 13) >= 0.4
    assert rate_of(trial(10.0), 600, 14) <= 0.012


@pytest.mark.parametrize(
    "metric",
    [
        errors((0, 100), (0, 0)),
        errors((0, 0), (5, 100)),
        MetricInput("errors", "proportion"),
        MetricInput("errors", "count", baseline=(0, 60.0), canary=(0, 0.0)),
        latency([], [0.1, 0.2]),
        latency([0.1, 0.2], []),
        latency([math.nan] * 30, [0.1] * 30),
        errors((0, 100), (200, 100)),
        errors((0, 100), (-1, 100)),
        errors((0, 100), (math.nan, 100)),
        MetricInput("errors", "proportion", baseline=(1, 2, 3), canary=(1, 2)),
        errors((0, 5), (0, 5)),
        latency([0.1] * 5, [0.1] * 5),
    ],
)
def test_nothing_to_go_by_is_inconclusive(metric: MetricInput) -> None:
    """No traffic, no data, too little or broken data never pass, even beside a metric that does."""
    assert native.judge([metric]).verdict == "inconclusive"
    assert native.judge([latency([1.0] * 30, [1.0] * 30), metric]).verdict == "inconclusive"


def test_no_metric_is_inconclusive() -> None:
    """An empty list of metrics proves nothing."""
    assert native.judge([]).verdict == "inconclusive"


def test_little_data_may_fail() -> None:
    """Ten of ten requests failing is enough to fail, though too little to pass."""
    assert native.judge([errors((0, 10), (10, 10))]).verdict == "fail"


def test_a_blind_metric_does_not_shield_a_bad_one() -> None:
    """A critical metric that is degraded fails the canary whatever the others cannot say."""
    blind = MetricInput("latency", "values")
    assert native.judge([blind, errors((0, 200), (30, 200))]).verdict == "fail"


def test_looks_that_were_not_announced_say_nothing() -> None:
    """The third look of two is inconclusive, with the reason."""
    found = native.judge([errors((0, 100), (50, 100))], Settings(looks=2, look=3))
    assert found.verdict == "inconclusive"
    assert "2 announced looks" in found.reason


def test_not_critical_is_marginal_until_most_are_bad() -> None:
    """One of two metrics degraded, neither critical: marginal at 50; both: fail."""
    bad, good = errors((0, 200), (30, 200), critical=False), latency([1.0] * 30, [1.0] * 30)
    worse = latency([1.0 + k / 100 for k in range(30)], [5.0 + k / 100 for k in range(30)])
    found = native.judge([bad, good])
    assert (found.verdict, found.score) == ("marginal", 50.0)
    assert native.judge([bad, worse]).verdict == "fail"


def test_holm_asks_more_of_the_first_than_of_the_last() -> None:
    """p = 0.04 is not enough beside a good metric, and is enough beside one that is plainly bad."""
    close = MetricInput("restarts", "count", "increase", False, 0.0, (10, 10.0), (19, 10.0))
    good, awful = errors((1, 100), (1, 100)), errors((0, 100), (60, 100))
    alone = native.judge([close], Settings(alpha=0.07)).metrics[0]
    assert alone.p_value == pytest.approx(0.0680, abs=5e-4)
    assert alone.degraded
    assert not native.judge([close, good], Settings(alpha=0.07)).metrics[0].degraded
    assert native.judge([close, awful], Settings(alpha=0.07)).metrics[0].degraded


def test_directions() -> None:
    """A fall is bad only where a fall was announced as bad."""
    baseline, canary = [1.0 + k / 50 for k in range(40)], [0.3 + k / 50 for k in range(40)]
    outcomes = {
        direction: native.judge([MetricInput("rps", "values", direction, True, 0.0, baseline, canary)])  # type: ignore[arg-type]
        for direction in ("increase", "decrease", "either")
    }
    assert outcomes["increase"].verdict == "pass"
    assert outcomes["decrease"].metrics[0].outcome == "low"
    assert outcomes["either"].metrics[0].outcome == "low"


@pytest.mark.parametrize("direction", ["decrease", "either"])
def test_a_falling_success_rate_is_found(direction: str) -> None:
    """Successes may be counted instead of errors, with a tolerance in parts of the baseline."""
    metric = MetricInput("ok", "proportion", direction, True, 0.01, (299, 300), (262, 300))  # type: ignore[arg-type]
    assert native.judge([metric]).metrics[0].outcome == "low"
    fine = MetricInput("ok", "proportion", direction, True, 0.05, (299, 300), (293, 300))  # type: ignore[arg-type]
    assert native.judge([fine]).verdict == "pass"


metrics = st.one_of(
    st.builds(
        lambda a, b, n, m, d, t: MetricInput("p", "proportion", d, True, t, (min(a, n), n), (min(b, m), m)),
        st.integers(0, 30), st.integers(0, 30), st.integers(0, 40), st.integers(0, 40),
        st.sampled_from(["increase", "decrease", "either"]), st.sampled_from([0.0, 0.3, 1.0]),
    ),
    st.builds(
        lambda a, b, d, t: MetricInput("c", "count", d, False, t, a, b),
        st.tuples(st.integers(0, 99), st.floats(0, 99)), st.tuples(st.integers(0, 99), st.floats(0, 99)),
        st.sampled_from(["increase", "decrease", "either"]), st.sampled_from([0.0, 0.3, 1.0]),
    ),
    st.builds(
        lambda a, b, d, t: MetricInput("v", "values", d, False, t, a, b),
        st.lists(st.floats(-9, 9), max_size=30), st.lists(st.floats(-9, 9), max_size=30),
        st.sampled_from(["increase", "decrease", "either"]), st.sampled_from([0.0, 0.3, 1.0]),
    ),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(metrics, max_size=4), st.integers(1, 4))
def test_every_verdict_explains_itself(given_metrics: list[MetricInput], look: int) -> None:
    """Whatever comes in: strict JSON comes out, and a judged metric carries test, p, threshold, power."""
    found = native.judge(given_metrics, Settings(looks=4, look=look))
    text = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert text["verdict"] in ("pass", "marginal", "fail", "inconclusive")
    assert found.reason
    for metric in found.metrics:
        if metric.outcome in ("pass", "high", "low"):
            assert metric.test
            assert metric.statistic is not None
            assert 0 <= (metric.p_value or 0.0) <= 1
            assert 0 < (metric.threshold or 0) <= 0.05
            assert 0 <= (metric.power or 0.0) <= 1
            assert metric.degraded == ((metric.p_value or 0.0) <= metric.threshold) or len(found.metrics) > 1
    if any(m.outcome in ("nodata", "error") for m in found.metrics):
        assert found.verdict in ("inconclusive", "fail")


@pytest.mark.parametrize(
    "wrong",
    [Settings(alpha=0), Settings(looks=0), Settings(look=0), Settings(looks=2, shares=(0.5,))],
)
def test_settings_that_make_no_plan_are_refused(wrong: Settings) -> None:
    """A plan is checked before anything is judged."""
    with pytest.raises(Invalid):
        native.judge([errors((0, 10), (0, 10))], wrong)


def test_unknown_kinds_and_directions_are_refused() -> None:
    """A metric that cannot be understood is an error of the one who wrote it, not a pass."""
    with pytest.raises(Invalid):
        native.judge([MetricInput("x", "histogram", baseline=[1], canary=[1])])  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        native.judge([MetricInput("x", "values", "up", baseline=[1], canary=[1])])  # type: ignore[arg-type]
