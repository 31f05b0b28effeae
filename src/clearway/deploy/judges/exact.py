"""Exact tests for rare things: proportions (errors of requests) and counts (events of an exposure).

Rules:
1. The question is one-sided: is the canary's rate above `ratio` times the baseline's (side "high"), or below
   it (side "low")?
2. Counts: given the total, the canary's share is binomial. Nothing is approximated.
3. Proportions, up to CELLS tables: Boschloo's test. Tables are ordered by Fisher's conditional p-value, and
   the p-value is the largest chance, over every common rate, to see a table at least as extreme: exact like
   Fisher's, and never weaker. With a tolerance the order is by Miettinen and Nurminen's score instead,
   because "ratio of rates" has no conditional law. Larger samples: Fisher's test, or the score's normal law.
4. Power is that of the same test at the same level, from the same tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Side = Literal["high", "low"]
CELLS = 160_000  # tables of both sides that are enumerated
SLACK = 1 + 1e-9  # equal p-values that differ by rounding are equal
MANY = 1e6  # events beyond which the power of counts is the normal law's, of square roots
TOTALS = 300  # totals that the power of counts is summed over; more are thinned evenly
_GRID = 241


@dataclass(frozen=True)
class Tables:
    """Every possible outcome of two samples, from most to least extreme."""

    order: Any  # (canary + 1, baseline + 1): small is extreme
    ratio: float
    side: Side


def proportion_p(x0: int, n0: int, x1: int, n1: int, side: Side, ratio: float = 1.0) -> tuple[float, str]:
    """P-value and name of the test that x1 of n1 is beyond `ratio` times x0 of n0."""
    if ratio <= 0:
        return 1.0, "none: everything is tolerated"
    if (n0 + 1) * (n1 + 1) <= CELLS:
        tables = _tables(n0, n1, side, ratio)
        name = "Boschloo, exact" if ratio == 1.0 else "unconditional, exact, ordered by score"
        limit = float(tables.order[x1, x0])
        return _size(tables, limit + abs(limit) * (SLACK - 1)), name
    if ratio == 1.0:
        return _fisher_tail(x0, n0, x1, n1, side), "Fisher, exact"
    from scipy import special

    z = float(_score(x0, n0, x1, n1, ratio))
    return float(special.ndtr(-z if side == "high" else z)), "score test of the ratio (Miettinen-Nurminen)"


def proportion_power(p0: float, p1: float, n0: int, n1: int, level: float, side: Side, ratio: float) -> float:
    """The chance that the test at this level calls rates p0 and p1 different."""
    import numpy as np

    if ratio <= 0:
        return 0.0
    if (n0 + 1) * (n1 + 1) <= CELLS:
        tables = _tables(n0, n1, side, ratio)
        region = _region(tables, _critical(n0, n1, level, side, ratio))
        return float(_chance(region, side, np.array([p0]), np.array([p1]), n0)[0])
    if max(p0, p1) <= 0.1 and min(p0, p1) >= 0:
        return count_power(p0, p1, float(n0), float(n1), level, side, ratio)
    from scipy import special

    reference = min(max(p0 * ratio, 0.0), 1.0)
    distance = 2 * (np.arcsin(math.sqrt(p1)) - np.arcsin(math.sqrt(reference)))
    signed = (distance if side == "high" else -distance) / math.sqrt(1 / n0 + 1 / n1)
    return float(special.ndtr(signed + special.ndtri(level)))


def newcombe(x0: int, n0: int, x1: int, n1: int, confidence: float) -> tuple[float, float]:
    """The interval of the difference of two proportions (Wilson's limits put together by Newcombe)."""
    (low0, high0), (low1, high1) = _wilson(x0, n0, confidence), _wilson(x1, n1, confidence)
    p0, p1 = x0 / n0, x1 / n1
    down = math.sqrt((p1 - low1) ** 2 + (high0 - p0) ** 2)
    up = math.sqrt((high1 - p1) ** 2 + (p0 - low0) ** 2)
    return p1 - p0 - down, p1 - p0 + up


def _wilson(x: int, n: int, confidence: float) -> tuple[float, float]:
    from scipy import special

    z = float(special.ndtri((1 + confidence) / 2))
    middle = (x + z * z / 2) / (n + z * z)
    half = z * math.sqrt(x * (n - x) / n + z * z / 4) / (n + z * z)
    return max(0.0, middle - half), min(1.0, middle + half)


def count_p(x0: int, e0: float, x1: int, e1: float, side: Side, ratio: float = 1.0) -> float:
    """P-value that x1 events in exposure e1 are beyond `ratio` times the rate of x0 in e0."""
    from scipy import special

    total, share = x0 + x1, ratio * e1 / (ratio * e1 + e0)
    if side == "high":
        return 1.0 if x1 == 0 else float(special.bdtrc(x1 - 1, total, share))
    return float(special.bdtr(x1, total, share))


def count_interval(x0: int, e0: float, x1: int, e1: float, confidence: float) -> tuple[float, float]:
    """The exact interval of the ratio of two rates (Clopper and Pearson's, given the total)."""
    from scipy import special

    tail, total = (1 - confidence) / 2, x0 + x1
    low = 0.0 if x1 == 0 else float(special.betaincinv(x1, total - x1 + 1, tail))
    high = 1.0 if x0 == 0 else float(special.betaincinv(x1 + 1, total - x1, 1 - tail))
    return low / (1 - low) * e0 / e1, math.inf if high >= 1 else high / (1 - high) * e0 / e1


def count_power(r0: float, r1: float, e0: float, e1: float, level: float, side: Side, ratio: float) -> float:
    """The chance that the binomial test at this level calls Poisson rates r0 and r1 different."""
    import numpy as np
    from scipy import special

    mean = r0 * e0 + r1 * e1
    if mean <= 0 or ratio <= 0:
        return 0.0
    if mean > MANY:
        rise = 2 * (math.sqrt(r1) - math.sqrt(r0 * ratio)) / math.sqrt(1 / e1 + ratio / e0)
        return float(special.ndtr((rise if side == "high" else -rise) + special.ndtri(level)))
    reach = 6 * math.sqrt(mean) + 8
    first, last = max(0, int(mean - reach)), int(mean + reach)
    totals = np.unique(np.linspace(first, last, min(last - first + 1, TOTALS)).round())
    weight = np.exp(special.xlogy(totals, mean) - mean - special.gammaln(totals + 1))
    null, real = ratio * e1 / (ratio * e1 + e0), r1 * e1 / mean
    if side == "low":
        null, real = 1 - null, 1 - real
    hit = _upper_tail(_critical_counts(totals, null, level), totals, real)
    return float(min(1.0, np.sum(weight * hit) / np.sum(weight)))


def _critical_counts(totals: Any, null: float, level: float) -> Any:
    """For each total the smallest count whose upper tail under the null is within the level."""
    import numpy as np

    low, high = np.zeros_like(totals), totals + 1  # a tail beyond the total is 0: always within
    while np.any(low < high):
        middle = np.floor((low + high) / 2)
        inside = _upper_tail(middle, totals, null) <= level
        high, low = np.where(inside, middle, high), np.where(inside, low, middle + 1)
    return high


def _upper_tail(count: Any, total: Any, share: float) -> Any:
    """P(X >= count) of a binomial law, for arrays."""
    import numpy as np
    from scipy import special

    within = np.clip(count, 1, np.maximum(total, 1))
    tail = special.betainc(within, np.maximum(total - within, 0) + 1, share)
    return np.where(count <= 0, 1.0, np.where(count > total, 0.0, tail))


@lru_cache(maxsize=8)
def _tables(n0: int, n1: int, side: Side, ratio: float) -> Tables:
    import numpy as np

    if ratio == 1.0:
        return Tables(_fisher_tails(n0, n1, side), ratio, side)
    x1, x0 = np.meshgrid(np.arange(n1 + 1), np.arange(n0 + 1), indexing="ij")
    z = _score(x0, n0, x1, n1, ratio)
    return Tables(-z if side == "high" else z, ratio, side)


def _fisher_tails(n0: int, n1: int, side: Side) -> Any:
    """Fisher's one-sided p-value of every table."""
    import numpy as np

    chance = np.exp(
        _choices(n1)[:, None]
        + _choices(n0)[None, :]
        - _choices(n0 + n1)[np.arange(n1 + 1)[:, None] + np.arange(n0 + 1)[None, :]]
    )
    tails = chance.copy()
    if side == "high":  # the next extreme table has one event more here and one less there
        for x1 in range(n1 - 1, -1, -1):
            tails[x1, 1:] += tails[x1 + 1, :-1]
    else:
        for x1 in range(1, n1 + 1):
            tails[x1, :-1] += tails[x1 - 1, 1:]
    return tails


def _fisher_tail(x0: int, n0: int, x1: int, n1: int, side: Side) -> float:
    import numpy as np

    total = x0 + x1
    low, high = (x1, min(n1, total)) if side == "high" else (max(0, total - n0), x1)
    seen = np.arange(low, high + 1)
    logs = _choices(n1)[seen] + _choices(n0)[total - seen] - _choices(n0 + n1)[total]
    return float(min(1.0, np.exp(logs).sum()))


def _choices(n: int) -> Any:
    """ln C(n, k) for k = 0..n."""
    import numpy as np
    from scipy import special

    k = np.arange(n + 1)
    return special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)


def _score(x0: Any, n0: int, x1: Any, n1: int, ratio: float) -> Any:
    """Miettinen and Nurminen's statistic of p1 = ratio * p0, with the rates most likely under it."""
    import numpy as np

    a = (n0 + n1) * ratio
    b = n1 * ratio + x1 + n0 + x0 * ratio
    c = x0 + x1
    p0 = np.clip((b - np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0))) / (2 * a), 0.0, min(1.0, 1 / ratio))
    p1 = np.clip(ratio * p0, 0.0, 1.0)
    variance = p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0
    gap = x1 / n1 - ratio * x0 / n0
    tiny = variance <= 1e-15
    return np.where(
        tiny, np.where(np.abs(gap) < 1e-12, 0.0, np.sign(gap) * 1e6), gap / np.sqrt(variance + tiny)
    )


def _binomial(p: Any, n: int) -> Any:
    """The binomial law over 0..n, for one rate or for a column of rates."""
    import numpy as np
    from scipy import special

    rates = np.asarray(p, dtype=float)[..., None]
    k = np.arange(n + 1)
    return np.exp(_choices(n) + special.xlogy(k, rates) + special.xlog1py(n - k, -rates))


def _region(tables: Tables, limit: float) -> Any:
    """For each count of the canary, how many counts of the baseline are at least as extreme as the limit.

    Those are the lowest ones (side "high") or the highest ones (side "low"): both orders rise with the
    baseline's count, so a row is known by its length, and no table need be added up one by one.
    """
    return (tables.order <= limit).sum(axis=1)


def _chance(region: Any, side: Side, p0: Any, p1: Any, n0: int) -> Any:
    """The chance of the region for each pair of rates."""
    import numpy as np

    law = _binomial(p0, n0)
    if side == "low":
        law = law[:, ::-1]
    below = np.concatenate([np.zeros((len(law), 1)), np.cumsum(law, axis=1)], axis=1)
    return (_binomial(p1, len(region) - 1) * below[:, region]).sum(axis=1)


def _size(tables: Tables, limit: float) -> float:
    """The largest chance, over all rates on the edge of the null, of a table as extreme as `limit`."""
    import numpy as np

    region, n0 = _region(tables, limit), tables.order.shape[1] - 1

    def chance(angles: Any) -> Any:
        p0 = min(1.0, 1 / tables.ratio) * np.sin(angles) ** 2
        return _chance(region, tables.side, p0, np.clip(tables.ratio * p0, 0.0, 1.0), n0)

    angles = np.linspace(0.0, math.pi / 2, _GRID)
    seen = chance(angles)
    best, width = angles[int(np.argmax(seen))], angles[1]
    largest = float(seen.max())
    for _ in range(2):
        near = np.clip(np.linspace(best - width, best + width, 41), 0.0, math.pi / 2)
        seen = chance(near)
        best, width = near[int(np.argmax(seen))], width / 20
        largest = max(largest, float(seen.max()))
    return min(1.0, largest)


@lru_cache(maxsize=64)
def _critical(n0: int, n1: int, level: float, side: Side, ratio: float) -> float:
    """The most generous limit of the order whose size stays within the level."""
    import numpy as np

    tables = _tables(n0, n1, side, ratio)
    limits = np.unique(tables.order)
    low, high = -1, int(np.searchsorted(limits, 10 * level)) + 1 if ratio == 1.0 else len(limits)
    high = min(high, len(limits))
    while high - low > 1:
        middle = (low + high) // 2
        if _size(tables, float(limits[middle])) <= level:
            low = middle
        else:
            high = middle
    return float(limits[low]) if low >= 0 else -math.inf
