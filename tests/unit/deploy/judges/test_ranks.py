"""The rank test for values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clearway.deploy.judges import ranks

small = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=5)


@settings(max_examples=30, deadline=None)
@given(small, small)
def test_small_samples_are_every_permutation(baseline: list[float], canary: list[float]) -> None:
    """The exact p-value is the share of all divisions of the values, ties included, that are as extreme."""
    pooled, n = canary + baseline, len(canary)
    order = ranks.midranks(np.array(pooled))[0]
    seen = order[:n].sum()
    sums = [sum(order[list(chosen)]) for chosen in itertools.combinations(range(len(pooled)), n)]
    expected = np.mean([value >= seen - 1e-9 for value in sums])
    assert ranks.rank_p(baseline, canary, "high")[0] == pytest.approx(expected)


def test_large_samples_agree_with_scipy() -> None:
    """With ties, the p-value is scipy's asymptotic Mann-Whitney."""
    random = np.random.default_rng(1)
    baseline, canary = random.poisson(5, 80).astype(float), random.poisson(6, 70).astype(float)
    for side, alternative in (("high", "greater"), ("low", "less")):
        theirs = stats.mannwhitneyu(canary, baseline, alternative=alternative, method="asymptotic").pvalue
        assert ranks.rank_p(baseline, canary, side)[0] == pytest.approx(theirs, rel=1e-9)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.1, 10), min_size=3, max_size=40),
    st.lists(st.floats(0.1, 10), min_size=3, max_size=40),
    st.sampled_from([2.0**-30, 0.5, 1024.0, 2.0**40]),
)
def test_no_unit_changes_anything(baseline: list[float], canary: list[float], unit: float) -> None:
    """Values in any unit give the same p-value, ratio and interval."""
    scaled = [value * unit for value in baseline], [value * unit for value in canary]
    assert ranks.rank_p(*scaled, "high", 0.5)[0] == ranks.rank_p(baseline, canary, "high", 0.5)[0]
    one, other = ranks.shift(baseline, canary, 0.95), ranks.shift(*scaled, 0.95)
    assert other.estimate == pytest.approx(one.estimate)
    assert other.interval == pytest.approx(one.interval)


def test_the_interval_covers() -> None:
    """The 95 % interval of the ratio holds the true one in about 95 % of 400 trials."""
    random = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        low, high = ranks.shift(
            random.lognormal(0, 0.5, 40), random.lognormal(np.log(1.3), 0.5, 40), 0.95
        ).interval
        hits += low <= 1.3 <= high
    assert 370 <= hits <= 396


def test_what_is_tolerated_is_not_found() -> None:
    """A canary 40 % slower is not above a tolerance of 50 %, and is above none."""
    random = np.random.default_rng(3)
    baseline, canary = random.lognormal(0, 0.2, 100), 1.4 * random.lognormal(0, 0.2, 100)
    assert ranks.rank_p(baseline, canary, "high", 0.5)[0] > 0.5
    assert ranks.rank_p(baseline, canary, "high", 0.0)[0] < 1e-6


def test_values_that_may_be_negative_are_moved_not_multiplied() -> None:
    """A ratio of temperatures around zero would be nonsense; the effect is a difference."""
    found = ranks.shift([-1.0, 0.0, 1.0, 2.0], [4.0, 5.0, 6.0, 7.0], 0.9)
    assert not found.relative
    assert found.estimate == pytest.approx(5.0)
    moved = ranks.tolerated(np.array([-2.0, 1.0, 2.0]), 0.5)
    assert moved.tolist() == [-1.0, 2.0, 3.0]


def test_one_distinct_value_proves_nothing() -> None:
    """All values equal: p is 1, at any size."""
    assert ranks.rank_p([3.0] * 5, [3.0] * 5, "high")[0] == 1.0
    assert ranks.rank_p([3.0] * 500, [3.0] * 500, "high")[0] == 1.0


def test_told_power_is_found_power() -> None:
    """+10 % at a spread of 20 % with 50 values a side, at 0.5 %: what the formula says is what is found."""
    random = np.random.default_rng(6)
    found = np.mean(
        [
            ranks.rank_p(np.exp(random.normal(0, 0.2, 50)), np.exp(random.normal(0.0953, 0.2, 50)), "high")[0]
            <= 0.005
            for _ in range(800)
        ]
    )
    assert ranks.rank_power(0.2, 0.0953, 50, 50, 0.005) == pytest.approx(found, abs=0.05)
    change = ranks.rank_detectable(0.2, 50, 50, 0.005, 0.8)
    assert ranks.rank_power(0.2, change, 50, 50, 0.005) == pytest.approx(0.8)
