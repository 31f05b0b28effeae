"""A rank test for values: only the order counts, so no unit, no outlier and no shape can bend the verdict.

Rules:
1. The canary is compared with the baseline times `ratio` (1.5: worse by half is accepted). Values that may be
   negative are moved by a part of their typical size instead, since a ratio means nothing for them.
2. Up to SMALL values in all, the p-value is exact: every way to share the same values, ties included, between
   the two sides. Above that it is the normal law with the variance corrected for ties.
3. The effect is Hodges and Lehmann's: the median of all canary-to-baseline ratios (differences, where values
   are not all positive), with the interval that belongs to the test. It is read from order statistics, not
   searched with a tolerance in somebody's unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["high", "low"]
SMALL = 50
KEPT = 500  # values of a side that enter the pairwise ratios: quantiles of the rest say no more


@dataclass(frozen=True)
class Shift:
    """The typical change and its interval."""

    estimate: float
    interval: tuple[float, float]
    relative: bool  # a ratio, else a difference


def rank_p(
    baseline: Sequence[float], canary: Sequence[float], side: Side, tolerance: float = 0.0
) -> tuple[float, float, str]:
    """P-value, statistic (chance that a canary value is larger; ties half) and name of the test."""
    import numpy as np

    x = np.asarray(canary, dtype=float)
    y = tolerated(np.asarray(baseline, dtype=float), tolerance if side == "high" else -tolerance)
    ranks, ties = midranks(np.concatenate([x, y]))
    n, m = len(x), len(y)
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    effect = u / (n * m)
    if n + m <= SMALL:
        return _exact_tail(ranks, n, side), effect, "rank test, exact (permutations)"
    return _normal_tail(u, n, m, ties, side), effect, "rank test (Mann-Whitney, ties corrected)"


def tolerated(values: Any, tolerance: float) -> Any:
    """The baseline, made worse by what is tolerated."""
    import numpy as np

    if tolerance == 0.0:
        return values
    if np.all(values >= 0):
        return values * max(0.0, 1 + tolerance)
    return values + tolerance * float(np.median(np.abs(values)))


def midranks(values: Any) -> tuple[Any, Any]:
    """Ranks from 1, ties sharing their mean, and the sizes of the groups of ties."""
    import numpy as np

    _, where, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return (last - (sizes - 1) / 2)[where], sizes


def _normal_tail(u: float, n: int, m: int, ties: Any, side: Side) -> float:
    import numpy as np
    from scipy import special

    total = n + m
    correction = float(np.sum(ties.astype(float) ** 3 - ties)) / (total * (total - 1))
    spread = math.sqrt(max(0.0, n * m / 12 * (total + 1 - correction)))
    if spread == 0:
        return 1.0
    distance = (u - n * m / 2) if side == "high" else (n * m / 2 - u)
    return float(special.ndtr(-(distance - 0.5) / spread))


def _exact_tail(ranks: Any, n: int, side: Side) -> float:
    """The share of all choices of n ranks whose sum is at least as extreme; ranks are doubled to be whole."""
    import numpy as np

    doubled = np.rint(2 * ranks).astype(int)
    seen, highest = int(doubled[:n].sum()), int(doubled.sum())
    ways = np.zeros((n + 1, highest + 1))
    ways[0, 0] = 1.0
    for rank in doubled.tolist():
        ways[1:, rank:] += ways[:-1, : highest + 1 - rank].copy()
    law = ways[n] / ways[n].sum()
    tail = law[seen:] if side == "high" else law[: seen + 1]
    return float(min(1.0, tail.sum()))


def shift(baseline: Sequence[float], canary: Sequence[float], confidence: float) -> Shift:
    """Hodges and Lehmann's estimate with the interval of the rank test."""
    import numpy as np
    from scipy import special

    x, y = _thin(canary), _thin(baseline)
    relative = bool(x[0] > 0 and y[0] > 0)
    if relative:
        x, y = np.log(x), np.log(y)
    gaps = np.sort((x[:, None] - y[None, :]).ravel())
    n, m = len(canary), len(baseline)
    z = float(special.ndtri((1 + confidence) / 2))
    share = max(0.0, 0.5 - z * math.sqrt((n + m + 1) / (12 * n * m)))
    low = gaps[math.floor(share * (len(gaps) - 1))]
    high = gaps[math.ceil((1 - share) * (len(gaps) - 1))]
    found = [float(np.median(gaps)), float(low), float(high)]
    if relative:
        found = [math.exp(min(value, 700.0)) for value in found]
    return Shift(found[0], (found[1], found[2]), relative)


def _thin(values: Sequence[float]) -> Any:
    """The values in order; of many, evenly spaced order statistics, always the same ones."""
    import numpy as np

    ordered = np.sort(np.asarray(values, dtype=float))
    if len(ordered) <= KEPT:
        return ordered
    return ordered[np.rint(np.linspace(0, len(ordered) - 1, KEPT)).astype(int)]


def spread_of(baseline: Sequence[float]) -> float:
    """How much the baseline's values spread: of their logarithms where all are positive, else relative."""
    import numpy as np

    values = np.asarray(baseline, dtype=float)
    if np.all(values > 0):
        return float(np.std(np.log(values), ddof=1)) if len(values) > 1 else 0.0
    typical = float(np.median(np.abs(values)))
    return float(np.std(values, ddof=1)) / typical if typical > 0 and len(values) > 1 else 0.0


def rank_power(spread: float, change: float, n: int, m: int, level: float) -> float:
    """The chance to find a change (in units of `spread_of`: a difference of logarithms), by normal theory."""
    from scipy import special

    if spread <= 0:
        return 1.0 if change > 0 else float(level)
    distance = change / spread * math.sqrt(3 / math.pi * n * m / (n + m))
    return float(special.ndtr(distance + float(special.ndtri(level))))


def rank_detectable(spread: float, n: int, m: int, level: float, power: float) -> float:
    """The change that is found with this power; the inverse of `rank_power`."""
    from scipy import special

    needed = float(special.ndtri(power)) - float(special.ndtri(level))
    return needed * spread / math.sqrt(3 / math.pi * n * m / (n + m))
