"""The compatible judge: R's numbers, Kayenta's rules, and its known defects to the percent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from clearway.deploy.judges import MetricInput, kayenta
from clearway.deploy.judges.kayenta import Config, Rule, Series
from clearway.deploy.judges.wilcoxon import AllTied, location
from clearway.kernel import Invalid

MAY = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37]
AUGUST = [
    39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85,
]  # fmt: skip
NAN = math.nan


def test_the_ozone_example_of_r() -> None:
    """R's own example (airquality, May against August): W = 127.5, p = 0.0001208, interval -53 to -15, with
    each root within 1e-4 of the step that it seeks."""
    found = location(MAY, AUGUST, 0.95)
    assert found.w == 127.5
    assert found.p_value == pytest.approx(0.0001208, abs=5e-8)
    assert (found.low, found.high) == (pytest.approx(-53, abs=1e-4), pytest.approx(-15, abs=1e-4))
    assert found.estimate == pytest.approx(-32, abs=1e-4)
    assert found.low != -53  # the root is sought, not picked from the differences: R shows -52.9999 too


def test_extreme_cases_are_the_ends_of_the_bracket() -> None:
    """Where even the end of the bracket is no evidence, the limit is that end, as in R's root()."""
    found = location([10, 20, 30, 40], [1, 2, 3, 4], 0.95)
    assert (found.low, found.high, found.estimate) == (6, 39, 22.5)


@pytest.mark.parametrize("correct", [True, False])
def test_limits_are_where_the_test_turns(correct: bool) -> None:
    """Just inside the interval a shift is not refused, just outside it is: says scipy."""
    from scipy import stats

    random = np.random.default_rng(1)
    x, y = random.normal(12, 2, 40), random.normal(10, 3, 50)
    found = location(x.tolist(), y.tolist(), 0.98, correct_estimate=correct)
    for shift, refused in ((found.low - 2e-2, True), (found.low + 2e-2, False), (found.high + 2e-2, True)):
        p_value = stats.mannwhitneyu(x - shift, y, method="asymptotic", use_continuity=True).pvalue
        assert (p_value < 0.02) == refused
    gaps = np.median(x[:, None] - y[None, :])
    assert found.estimate == pytest.approx(gaps, abs=1e-2)


def test_all_tied_has_no_interval() -> None:
    """One observation a side: the variance at the only shift is 0."""
    with pytest.raises(AllTied):
        location([5.0], [3.0], 0.98)


def found_share(
    trial: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]], runs: int, seed: int
) -> float:
    random, rule = np.random.default_rng(seed), Rule("m", ("g",), direction="increase")
    hits = 0
    for _ in range(runs):
        baseline, canary = trial(random)
        result = kayenta.judge(Config((rule,)), [Series("m", tuple(baseline))], [Series("m", tuple(canary))])
        hits += result.metrics[0].outcome == "high"
    return hits / runs


def test_its_unit_defect_is_kept() -> None:
    """+50 % (mean 10, n = 60) is found always, and never when every value is multiplied by 1e-6."""

    def trial(unit: float) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
        return lambda random: (random.normal(10, 2, 60) * unit, random.normal(15, 3, 60) * unit)

    assert found_share(trial(1.0), 40, 1) == 1.0
    assert found_share(trial(1e-6), 40, 2) == 0.0


@pytest.mark.parametrize(
    ("low", "high", "expected", "margin"),
    [(0.1, 1.0, 0.40, 0.09), (1.0, 2.0, 0.33, 0.09), (0.1, 0.2, 0.0, 0.01)],
)
def test_its_blindness_to_sparse_errors_is_kept(
    low: float, high: float, expected: float, margin: float
) -> None:
    """Poisson errors a point at n = 50 are found as seldom as in the original."""
    share = found_share(
        lambda r: (r.poisson(low, 50).astype(float), r.poisson(high, 50).astype(float)), 250, 3
    )
    assert share == pytest.approx(expected, abs=margin)


def test_its_power_for_small_shifts_is_kept() -> None:
    """+10 % (CV 20 %) at n = 50 is found in 15 to 35 % of the runs, nothing in at most 0.5 %."""
    assert 0.15 <= found_share(lambda r: (r.normal(10, 2, 50), r.normal(11, 2, 50)), 300, 4) <= 0.35
    assert found_share(lambda r: (r.normal(10, 2, 50), r.normal(10, 2, 50)), 400, 5) <= 0.005


HIGH = tuple(float(value) for value in range(100, 130))
BASE = tuple(float(value) for value in range(10, 40))


def judge_one(rule: Rule, baseline: tuple[float, ...], canary: tuple[float, ...]) -> str:
    found = kayenta.judge(Config((rule,)), [Series("m", baseline)], [Series("m", canary)])
    return found.metrics[0].outcome


@pytest.mark.parametrize(
    ("rule", "baseline", "canary", "outcome"),
    [
        (Rule("m"), BASE, HIGH, "high"),
        (Rule("m"), HIGH, BASE, "low"),
        (Rule("m", direction="increase"), HIGH, BASE, "pass"),
        (Rule("m", direction="decrease"), HIGH, BASE, "low"),
        (Rule("m", direction="decrease"), BASE, HIGH, "pass"),
        (Rule("m", allowed_increase=20.0), BASE, HIGH, "pass"),
        (Rule("m", allowed_increase=4.0), BASE, HIGH, "high"),
        (Rule("m", measure="cles", allowed_increase=0.9), BASE, HIGH, "high"),
        (Rule("m", measure="cles", allowed_decrease=0.1), HIGH, BASE, "low"),
        (Rule("m"), BASE, BASE[::-1], "pass"),  # equal when sorted
        (Rule("m"), (5.0,) * 9, (5.0,) * 4, "pass"),  # one distinct value
        (Rule("m"), (5.0,) * 20, (6.0,) * 20, "high"),  # constants: seeded noise
        (Rule("m"), (0.0,) * 20, (6.0,) * 20, "high"),  # the ratio is undefined: no effect check
        (Rule("m"), (), BASE, "nodata"),
        (Rule("m"), (NAN, NAN), BASE, "nodata"),
        (Rule("m", nan="replace"), (), BASE, "pass"),
        (Rule("m", nan="replace"), (NAN,) * 30, HIGH, "high"),
    ],
)  # fmt: skip
def test_classification(
    rule: Rule, baseline: tuple[float, ...], canary: tuple[float, ...], outcome: str
) -> None:
    """Shortcuts, band, effect size and direction, one rule a row."""
    assert judge_one(rule, baseline, canary) == outcome


def test_outliers_are_off_until_asked_for() -> None:
    """Fences on R-7 percentiles, widened to the 1st and 99th: a wild value goes only when asked."""
    values = [*(float(v) for v in range(200)), 1e6]
    assert 1e6 in kayenta._prepare(Rule("m"), values)
    kept = kayenta._prepare(Rule("m", outliers="remove"), values)
    assert 1e6 not in kept
    assert len(kept) == 200
    assert kayenta._fences([0.0, 0.0, 0.0, 0.0, 100.0], 3.0) == (0.0, pytest.approx(96.0))


def test_pairing_fills_the_missing_side_with_nothing() -> None:
    """Series pair by their tags; what one side lacks is NaN of equal length."""
    config = Config((Rule("m"), Rule("gone")))
    pairs = kayenta.pair(
        config,
        [Series("m", (1.0, 2.0), (("zone", "a"),))],
        [Series("m", (3.0,), (("zone", "b"),)), Series("m", (4.0, 5.0), (("zone", "a"),))],
    )
    assert pairs[0] == ("m", (1.0, 2.0), (4.0, 5.0))
    assert (pairs[1][0], len(pairs[1][1]), pairs[1][2]) == ("m", 1, (3.0,))
    assert math.isnan(pairs[1][1][0])
    assert pairs[2] == ("gone", (), ())
    with pytest.raises(Invalid):
        kayenta.pair(config, [Series("other", (1.0,))], [])


def score_of(rules: list[tuple[Rule, str]], weights: dict[str, float] | None = None) -> float:
    data = {"pass": (BASE, BASE), "high": (BASE, HIGH), "low": (HIGH, BASE), "nodata": ((), BASE)}
    found = kayenta.judge(
        Config(tuple(rule for rule, _ in rules), weights or {}),
        [Series(rule.name, data[kind][0]) for rule, kind in rules],
        [Series(rule.name, data[kind][1]) for rule, kind in rules],
    )
    assert found.score is not None
    return found.score


def test_scores() -> None:
    """Groups, weights, no data and critical metrics give the original's sums."""
    a, b, c = Rule("a", ("g",)), Rule("b", ("g",)), Rule("c", ("h",))
    assert score_of([(a, "pass"), (b, "high"), (c, "pass")]) == 75.0
    assert score_of([(a, "pass"), (b, "high"), (c, "pass")], {"g": 80}) == 60.0
    assert score_of([(a, "pass"), (b, "pass"), (c, "high")], {"g": 90}) == 90.0
    assert score_of([(a, "pass"), (b, "high"), (c, "nodata")], {"g": 50, "h": 50}) == 75.0
    must = Rule("c", ("h",), must_have_data=True)
    assert score_of([(a, "pass"), (b, "pass"), (must, "nodata")], {"g": 50, "h": 50}) == 50.0
    assert score_of([(a, "nodata"), (b, "pass")]) == 0.0
    assert score_of([(a, "pass"), (Rule("b", ("g",), muted=True), "high")]) == 100.0
    third = [Rule(name, ("g",)) for name in "abc"]
    assert score_of([(third[0], "pass"), (third[1], "pass"), (third[2], "low")]) == 66.67


def test_critical_metrics() -> None:
    """High is critical only beyond the critical effect; no data on a critical metric is critical."""
    good = Rule("a", ("g",))
    assert score_of([(good, "pass"), (Rule("b", ("g",), critical=True), "high")]) == 0.0
    assert (
        score_of([(good, "pass"), (Rule("b", ("g",), critical=True, critical_increase=20.0), "high")]) == 50.0
    )
    assert (
        score_of([(good, "pass"), (Rule("z", ("g",)), "pass"), (Rule("b", ("g",), critical=True), "nodata")])
        == 0
    )
    assert score_of([(good, "pass"), (Rule("b", ("g",), critical=True, critical_decrease=0.5), "low")]) == 0.0


@pytest.mark.parametrize(
    ("scores", "ended", "expected"),
    [
        ([], True, ("inconclusive", True)),
        ([90.0], False, ("marginal", False)),
        ([75.0], False, ("fail", True)),
        ([100.0, 60.0], False, ("fail", True)),
        ([80.0, 100.0], True, ("pass", True)),
        ([100.0, 90.0], True, ("fail", True)),
    ],
)
def test_runs_of_several_intervals(scores: list[float], ended: bool, expected: tuple[str, bool]) -> None:
    """At or below marginal stops the run; the last interval must reach pass."""
    assert kayenta.run_verdict(scores, Config(()), ended=ended) == expected


def test_a_spinnaker_config_is_read() -> None:
    """The JSON of a canary config becomes rules, weights and thresholds."""
    document = {
        "metrics": [
            {
                "name": "errors", "groups": ["Errors"],
                "analysisConfigurations": {"canary": {
                    "direction": "increase", "nanStrategy": "replace", "critical": True, "mustHaveData": True,
                    "effectSize": {"allowedIncrease": 1.1, "criticalIncrease": 1.5},
                    "outliers": {"strategy": "remove", "outlierFactor": 2.5},
                }},
            },
            {"name": "cpu", "groups": ["Saturation"]},
        ],
        "classifier": {"groupWeights": {"Errors": 70, "Saturation": 30}},
    }  # fmt: skip
    config = kayenta.read_config(document, {"pass": 90, "marginal": 70})
    assert config.rules[0] == Rule(
        "errors", ("Errors",), "increase", "replace", "remove", 2.5, True, True, allowed_increase=1.1,
        critical_increase=1.5,
    )  # fmt: skip
    assert config.rules[1] == Rule("cpu", ("Saturation",))
    assert (config.weights, config.pass_score, config.marginal_score) == (
        {"Errors": 70.0, "Saturation": 30.0}, 90.0, 70.0,
    )  # fmt: skip
    for wrong in (
        {},
        {"metrics": [{"name": "x", "analysisConfigurations": {"canary": {"direction": "up"}}}]},
    ):
        with pytest.raises(Invalid):
            kayenta.read_config(wrong)


def test_what_is_no_series_is_refused() -> None:
    """Proportions cannot be judged this way; series of values can, and the verdict is strict JSON."""
    with pytest.raises(Invalid):
        kayenta.judge_inputs([MetricInput("errors", "proportion", baseline=(1, 2), canary=(1, 2))])
    found = kayenta.judge_inputs([MetricInput("m", "values", "increase", True, 0.0, BASE, HIGH)])
    assert (found.verdict, found.score) == ("fail", 0.0)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["metrics"][0]["outcome"] == "high"
    assert kayenta.judge_inputs([]).verdict == "inconclusive"
