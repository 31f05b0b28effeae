"""Exact tests for counts and proportions, against independent computations."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clearway.deploy.judges import exact


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 25), st.integers(1, 25), st.data())
def test_tables_hold_fishers_p_value(n0: int, n1: int, data: st.DataObject) -> None:
    """The order of the tables is Fisher's exact p-value, as whole-number arithmetic gives it."""
    x0, x1 = data.draw(st.integers(0, n0)), data.draw(st.integers(0, n1))
    total = x0 + x1
    ways = [math.comb(n1, k) * math.comb(n0, total - k) for k in range(x1, min(n1, total) + 1)]
    expected = float(Fraction(sum(ways), math.comb(n0 + n1, total)))
    assert exact._tables(n0, n1, "high", 1.0).order[x1, x0] == pytest.approx(expected, rel=1e-9)
    assert exact._fisher_tail(x0, n0, x1, n1, "high") == pytest.approx(expected, rel=1e-9)
    lower = exact._fisher_tail(x0, n0, x1, n1, "low")
    assert exact._tables(n0, n1, "low", 1.0).order[x1, x0] == pytest.approx(lower, rel=1e-9)


@pytest.mark.parametrize("table", [(0, 15, 5, 15), (2, 20, 9, 18), (1, 30, 6, 12), (7, 10, 9, 10)])
def test_boschloo_agrees_with_scipy(table: tuple[int, int, int, int]) -> None:
    """Our p-value is the one of scipy's Boschloo test (its optimiser is random: one part in a thousand)."""
    x0, n0, x1, n1 = table
    theirs = stats.boschloo_exact([[x1, x0], [n1 - x1, n0 - x0]], alternative="greater", n=64).pvalue
    ours, name = exact.proportion_p(x0, n0, x1, n1, "high")
    assert name == "Boschloo, exact"
    assert ours == pytest.approx(theirs, rel=2e-3)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(3, 40), st.integers(3, 40), st.floats(0.001, 0.999), st.sampled_from([0.005, 0.02, 0.05]),
    st.sampled_from([1.0, 1.5]), st.sampled_from(["high", "low"]),
)  # fmt: skip
def test_the_level_is_never_passed(
    n0: int, n1: int, rate: float, level: float, ratio: float, side: exact.Side
) -> None:
    """Whatever the common rate, the chance to reject a true null is at most the level, as counted."""
    if side == "low":
        ratio = 1 / ratio
    p0 = rate * min(1.0, 1 / ratio)
    size = 0.0
    weights1, weights0 = exact._binomial(min(1.0, p0 * ratio), n1), exact._binomial(p0, n0)
    order = exact._tables(n0, n1, side, ratio).order
    limit = exact._critical(n0, n1, level, side, ratio)
    size = float(weights1 @ (order <= limit) @ weights0)
    assert size <= level * 1.002


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1.0, 1.1, 1.5, 3.0]),
    st.sampled_from(["high", "low"]),
)
def test_rows_of_a_region_have_no_holes(n0: int, n1: int, ratio: float, side: exact.Side) -> None:
    """What is extreme stays extreme when the baseline moves further away: so a row is known by its length."""
    order = exact._tables(n0, n1, side, ratio if side == "high" else 1 / ratio).order
    steps = np.diff(order, axis=1)
    assert (steps >= -1e-9).all() if side == "high" else (steps <= 1e-9).all()


def test_no_weaker_than_fisher() -> None:
    """Four errors of fifty against none: Fisher's 0.059 is not enough at 5 %, the exact test here is."""
    p_value, _ = exact.proportion_p(0, 50, 4, 50, "high")
    assert p_value < 0.05 < exact._fisher_tail(0, 50, 4, 50, "high")


def test_large_samples_use_fisher_and_agree() -> None:
    """Beyond the enumerated tables the test is Fisher's; the p-values meet there."""
    p_value, name = exact.proportion_p(20, 4000, 45, 4000, "high")
    assert name == "Fisher, exact"
    assert p_value == pytest.approx(
        stats.fisher_exact([[45, 20], [3955, 3980]], alternative="greater").pvalue, rel=1e-7
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.5, 50), st.floats(0.5, 50), st.floats(0.5, 3))
def test_counts_are_binomial_given_the_total(x0: int, x1: int, e0: float, e1: float, ratio: float) -> None:
    """The p-value is the binomial tail of the canary's share."""
    share = ratio * e1 / (ratio * e1 + e0)
    if x0 + x1:
        expected = stats.binomtest(x1, x0 + x1, share, alternative="greater").pvalue
        assert exact.count_p(x0, e0, x1, e1, "high", ratio) == pytest.approx(expected, rel=1e-8, abs=1e-300)
    assert exact.count_p(x0, e0, x1, e1, "high", ratio) == pytest.approx(
        exact.count_p(x1, e1, x0, e0, "low", 1 / ratio), rel=1e-6, abs=1e-300
    )


def test_the_interval_of_a_ratio_covers() -> None:
    """The 95 % interval of the ratio of two rates holds the true one in at least 95 % of 2,000 trials."""
    random = np.random.default_rng(3)
    hits = 0
    for x0, x1 in zip(random.poisson(12, 2000), random.poisson(24, 2000), strict=True):
        low, high = exact.count_interval(int(x0), 10.0, int(x1), 10.0, 0.95)
        hits += low <= 2.0 <= high
    assert hits >= 1900


def test_the_power_of_counts_is_what_simulation_finds() -> None:
    """Told power equals found power: 0.1 against 0.5 events, 50 units of exposure, at 1 %."""
    random = np.random.default_rng(4)
    pairs = zip(random.poisson(5, 4000), random.poisson(25, 4000), strict=True)
    found = np.mean([exact.count_p(int(a), 50, int(b), 50, "high") <= 0.01 for a, b in pairs])
    assert exact.count_power(0.1, 0.5, 50, 50, 0.01, "high", 1.0) == pytest.approx(found, abs=0.02)


def test_the_power_of_proportions_is_what_simulation_finds() -> None:
    """Told power equals found power: 0 against 8 % errors in 100 requests, at 0.5 %."""
    random = np.random.default_rng(5)
    found = np.mean(
        [exact.proportion_p(0, 100, int(x), 100, "high")[0] <= 0.005 for x in random.binomial(100, 0.08, 400)]
    )
    assert exact.proportion_power(0.0, 0.08, 100, 100, 0.005, "high", 1.0) == pytest.approx(found, abs=0.07)


def test_newcombes_interval_is_the_published_one() -> None:
    """Newcombe (1998), example (a): 56/70 - 48/80 has the interval 0.0524 to 0.3339."""
    low, high = exact.newcombe(48, 80, 56, 70, 0.95)
    assert (low, high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))
