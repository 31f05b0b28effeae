"""What the judge promises before the canary starts."""

from __future__ import annotations

import numpy as np
import pytest

from clearway.deploy.judges import MetricInput, native
from clearway.deploy.judges.native import Settings
from clearway.deploy.judges.planning import Expectation, forecast, power_of


def test_what_is_promised_is_kept() -> None:
    """The forecast's smallest visible rise in errors is then found in about 80 % of simulated canaries."""
    known = Expectation("proportion", per_minute=150, rate=0.02)
    told = forecast(known, 1.0, Settings())
    assert told.detectable is not None
    random = np.random.default_rng(1)
    pairs = zip(
        random.binomial(150, 0.02, 300), random.binomial(150, 0.02 + told.detectable, 300), strict=True
    )
    found = [
        native.judge(
            [MetricInput("e", "proportion", "increase", True, 0.0, (int(a), 150), (int(b), 150))]
        ).verdict == "fail"
        for a, b in pairs
    ]  # fmt: skip
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (Expectation("proportion", per_minute=600, rate=0.001), 0.05),
        (Expectation("count", per_minute=1.0, rate=2.0), 2.0),
        (Expectation("values", per_minute=30, spread=0.4), 1.2),
        (Expectation("values", per_minute=30, spread=0.4, tolerance=0.1), 1.3),
    ],
)
def test_minutes_needed_are_enough_and_not_too_many(known: Expectation, wanted: float) -> None:
    """After the told minutes the wanted worsening has 80 % power, and clearly before that it has less."""
    told = forecast(known, 5.0, Settings(looks=5), metrics=2, wanted=wanted)
    assert told.minutes is not None
    assert power_of(known, wanted, known.per_minute * told.minutes, told.level) >= 0.79
    assert power_of(known, wanted, known.per_minute * told.minutes * 0.7, told.level) < 0.8


def test_more_traffic_sees_smaller_things() -> None:
    """Ten times the traffic: a smaller visible rise, and fewer minutes."""
    little = forecast(Expectation("proportion", 60, 0.01), 2.0, Settings(looks=4), 2, wanted=0.05)
    plenty = forecast(Expectation("proportion", 600, 0.01), 2.0, Settings(looks=4), 2, wanted=0.05)
    assert little.detectable is not None
    assert plenty.detectable is not None
    assert plenty.detectable < little.detectable
    assert (plenty.minutes or 0) < (little.minutes or 0)


def test_no_traffic_sees_nothing() -> None:
    """Without traffic, or with next to none, the answer is that nothing can be seen."""
    assert forecast(Expectation("proportion", 0, 0.01), 5, Settings()).detectable is None
    assert forecast(Expectation("proportion", 1, 0.5), 2, Settings()).detectable is None
    assert forecast(Expectation("proportion", 0.001, 0.0), 5, Settings(), wanted=0.01).minutes is None
