"""The plan by which error is spent over looks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from clearway.deploy.judges.sequential import check_shares, equal_shares, levels, spent
from clearway.kernel import Invalid


def crossings(alpha: float, shares: tuple[float, ...], runs: int = 60_000) -> float:
    """The share of simulated null walks that cross any bound of the plan."""
    random = np.random.default_rng(20)
    steps = np.diff((0.0, *shares))
    walk = np.cumsum(random.normal(size=(runs, len(shares))) * np.sqrt(steps), axis=1) / np.sqrt(shares)
    bounds = -special.ndtri(np.array(levels(alpha, shares)))
    return float(np.mean((walk >= bounds).any(axis=1)))


@pytest.mark.parametrize("looks", [1, 2, 5, 20])
def test_all_looks_together_spend_alpha(looks: int) -> None:
    """However often one looks, a null walk crosses some bound with the announced chance."""
    assert crossings(0.05, equal_shares(looks)) == pytest.approx(0.05, abs=0.004)


def test_uneven_looks_spend_alpha_too() -> None:
    """Looks at 10, 35 and 100 % of the data keep the same promise."""
    assert crossings(0.05, (0.1, 0.35, 1.0)) == pytest.approx(0.05, abs=0.004)


def test_peeking_without_a_plan_would_not_keep_it() -> None:
    """The plan is needed: twenty looks at 5 % each err about a quarter of the time."""
    random = np.random.default_rng(21)
    shares = equal_shares(20)
    walk = np.cumsum(random.normal(size=(20_000, 20)) * np.sqrt(1 / 20), axis=1) / np.sqrt(shares)
    assert float(np.mean((walk >= special.ndtri(0.95)).any(axis=1))) > 0.2


def test_two_looks_are_those_of_the_tables() -> None:
    """Two equal looks at one-sided 2.5 %: 1.55 % by the spending formula, then 1.39 %, as the theory says."""
    first, second = levels(0.025, equal_shares(2))
    assert first == pytest.approx(spent(0.025, 0.5))
    # P(Z2 > b, Z1 <= a) = alpha - spent(0.5), checked by direct integration of the bivariate law.
    a, b = special.ndtri(1 - first), special.ndtri(1 - second)
    u = np.linspace(-9, a, 20_001)
    density = np.exp(-u * u / 2) / np.sqrt(2 * np.pi) * special.ndtr(-(b * np.sqrt(2) - u))
    assert float(np.trapezoid(density, u)) == pytest.approx(0.025 - spent(0.025, 0.5), rel=1e-5)


@pytest.mark.parametrize("shares", [(), (0.5,), (0.5, 0.4, 1.0), (0.0, 1.0), (0.5, 1.2)])
def test_a_plan_that_is_none_is_refused(shares: tuple[float, ...]) -> None:
    """Shares must rise from above 0 to 1."""
    with pytest.raises(Invalid):
        check_shares(shares)
