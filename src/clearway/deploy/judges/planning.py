"""Before the canary starts: which regression can be seen with this traffic, and how long it takes.

Rules:
1. The answer is for the last announced look of the longest test of Holm's steps: what it promises holds even
   when no other metric helps.
2. Both sides are assumed to get the same traffic, as the fresh baseline and the canary do.
3. "Cannot be seen" is an answer (None), not a large number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from clearway.kernel import Invalid

from . import exact, ranks
from .native import POWER, Settings

LONGEST_MINUTES = 7 * 24 * 60.0


@dataclass(frozen=True)
class Expectation:
    """What is known of a metric before the canary: usually read from the running version."""

    kind: Literal["proportion", "count", "values"]
    per_minute: float  # trials, exposure or values that each side will get in a minute
    rate: float = 0.0  # proportion: events per trial; count: events per unit of exposure
    spread: float = 0.2  # values: standard deviation of the logarithms (about the CV)
    direction: Literal["increase", "decrease"] = "increase"
    tolerance: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What the judge will be able to see."""

    samples: float  # on each side at the last look
    level: float  # of the last look
    power: float  # that `detectable` is found with
    detectable: float | None  # proportion: points; count and values: ratio; None: nothing can be seen
    minutes: float | None  # until `wanted` can be seen; None: not within a week, or not asked

    def to_json(self) -> dict[str, Any]:
        """JSON for pages and plans."""
        return dict(vars(self))


def forecast(
    known: Expectation, minutes: float, settings: Settings, metrics: int = 1, wanted: float | None = None
) -> Forecast:
    """The smallest worsening that is seen with 80 % power in so many minutes, and the minutes for `wanted`.

    `wanted` is in points for proportions (0.05) and a ratio for counts and values (1.5 is +50 %).
    """
    if known.per_minute <= 0 or minutes <= 0:
        return Forecast(0.0, 0.0, POWER, None, None)
    if known.kind not in ("proportion", "count", "values"):
        raise Invalid(f"unknown kind {known.kind!r}", expected="proportion, count or values")
    level = replace(settings, look=settings.looks).level(metrics)
    samples = known.per_minute * minutes

    def power(change: float, size: float = samples) -> float:
        return power_of(known, change, size, level)

    return Forecast(
        samples,
        level,
        POWER,
        _smallest(power, *_range(known)),
        None if wanted is None else _minutes(known, wanted, level),
    )


def power_of(known: Expectation, change: float, samples: float, level: float) -> float:
    """The chance that a worsening by `change` is found with so many samples on each side."""
    side: exact.Side = "high" if known.direction == "increase" else "low"
    ratio = 1 + known.tolerance if side == "high" else max(0.0, 1 - known.tolerance)
    size = int(samples)
    if known.kind == "values":
        beyond = math.log(change) - math.log1p(known.tolerance)
        return ranks.rank_power(known.spread, beyond, size, size, level) if size >= 2 else 0.0
    if known.kind == "count":
        rate = known.rate * ratio * change if side == "high" else known.rate * ratio / change
        return exact.count_power(known.rate, rate, samples, samples, level, side, ratio)
    shifted = known.rate * ratio + (change if side == "high" else -change)
    if size < 1:
        return 0.0
    return exact.proportion_power(known.rate, min(1.0, max(0.0, shifted)), size, size, level, side, ratio)


def _range(known: Expectation) -> tuple[float, float]:
    if known.kind != "proportion":
        return 1.0, 1e4
    worst = known.rate * (1 + known.tolerance)
    return 0.0, max(0.0, 1 - worst if known.direction == "increase" else known.rate * (1 - known.tolerance))


def _smallest(power: Callable[[float], float], low: float, high: float) -> float | None:
    if high <= low or power(high) < POWER:
        return None
    for _ in range(24):
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _minutes(known: Expectation, wanted: float, level: float) -> float | None:
    """The first of the minutes after which `wanted` is found with 80 %."""
    low, high = 0.0, 1 / 60
    while power_of(known, wanted, known.per_minute * high, level) < POWER:
        low, high = high, high * 2
        if high > LONGEST_MINUTES:
            return None
    for _ in range(16):
        middle = (low + high) / 2
        if power_of(known, wanted, known.per_minute * middle, level) >= POWER:
            high = middle
        else:
            low = middle
    return high
