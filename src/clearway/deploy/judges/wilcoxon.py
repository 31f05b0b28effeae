"""The Mann-Whitney interval of R's `wilcox.test(exact=FALSE, conf.int=TRUE)`, step for step. Pure.

Rules:
1. W(d) is the standardised rank sum of (canary - d) against the baseline: normal approximation, variance
   corrected for ties, continuity correction of one half towards zero.
2. A limit is the d where W(d) meets the normal quantile, sought by Brent's method in [min x - max y,
   max x - min y] with an absolute tolerance of 1e-4. That tolerance is in the metric's own unit: a known
   defect, kept because this is what the compatible judge does.
3. The estimate is the root at quantile 0. R drops the continuity correction for it, the judge that is
   mirrored keeps it; both are here, and the judge's is the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TOLERANCE = 1e-4
EPSILON = 2.220446049250313e-16
STEPS = 1000


@dataclass(frozen=True)
class Location:
    """How far the canary lies above the baseline."""

    low: float
    high: float
    estimate: float
    p_value: float  # two-sided, normal approximation with continuity correction
    w: float  # the rank sum statistic that R prints


class AllTied(ValueError):
    """All observations are tied after a shift: the variance is 0 and there is no interval."""


def location(
    canary: Sequence[float], baseline: Sequence[float], confidence: float, *, correct_estimate: bool = True
) -> Location:
    """Interval, estimate and p-value of the shift canary - baseline. Raises AllTied."""
    from scipy import special

    walk = _walk(canary, baseline, correct=True)
    least, most = min(canary) - max(baseline), max(canary) - min(baseline)

    def limit(quantile: float) -> float:
        low = walk(least) - quantile
        if low <= 0:
            return least
        high = walk(most) - quantile
        if high >= 0:
            return most
        return zero(lambda d: walk(d) - quantile, least, most, low, high)

    edge = float(special.ndtri(1 - (1 - confidence) / 2))
    middle = _walk(canary, baseline, correct=correct_estimate)
    low, high = middle(least), middle(most)
    estimate = least if low <= 0 else most if high >= 0 else zero(middle, least, most, low, high)
    p_value = min(1.0, 2 * float(special.ndtr(-abs(walk(0.0)))))
    return Location(limit(edge), limit(-edge), estimate, p_value, _rank_sum(canary, baseline))


def _rank_sum(canary: Sequence[float], baseline: Sequence[float]) -> float:
    from .ranks import midranks

    ranks, _ = midranks([*canary, *baseline])
    return float(ranks[: len(canary)].sum()) - len(canary) * (len(canary) + 1) / 2


def _walk(canary: Sequence[float], baseline: Sequence[float], *, correct: bool) -> Callable[[float], float]:
    import numpy as np

    from .ranks import midranks

    x, y = np.asarray(canary, dtype=float), np.asarray(baseline, dtype=float)
    n, m = len(x), len(y)

    def standardised(shift: float) -> float:
        ranks, ties = midranks(np.concatenate([x - shift, y]))
        gap = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
        correction = float((ties.astype(float) ** 3 - ties).sum()) / ((n + m) * (n + m - 1))
        spread = math.sqrt(max(0.0, n * m / 12 * ((n + m + 1) - correction)))
        if spread == 0:
            raise AllTied("all observations are tied, so there is no interval")
        return (gap - (math.copysign(0.5, gap) if correct and gap else 0.0)) / spread

    return standardised


def zero(f: Callable[[float], float], start: float, end: float, f_start: float, f_end: float) -> float:
    """A root by Brent's method (Algorithms for Minimization Without Derivatives, chapter 4).

    `b` is the best guess, `a` the one before, `c` the end of the bracket on the other side of the root.
    """
    a, b, c = start, end, start
    fa, fb, fc = f_start, f_end, f_start
    if fa == 0:
        return a
    if fb == 0:
        return b
    for _ in range(STEPS + 1):
        before = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        tolerance = 2 * EPSILON * abs(b) + TOLERANCE / 2
        step = (c - b) / 2
        if abs(step) <= tolerance or fb == 0:
            return b
        if abs(before) >= tolerance and abs(fa) > abs(fb):
            step = _interpolated(a, b, c, fa, fb, fc, before, tolerance, step)
        if abs(step) < tolerance:
            step = tolerance if step > 0 else -tolerance
        a, fa = b, fb
        b += step
        fb = f(b)
        if (fb > 0) == (fc > 0) and fb != 0 and fc != 0:
            c, fc = a, fa
    return b


def _interpolated(
    a: float,
    b: float,
    c: float,
    fa: float,
    fb: float,
    fc: float,
    before: float,
    tolerance: float,
    step: float,
) -> float:
    """The secant's or the inverse parabola's step where it stays in the bracket, else the bisection's."""
    span = c - b
    if a == c:
        ratio = fb / fa
        p, q = span * ratio, 1 - ratio
    else:
        q, r, s = fa / fc, fb / fc, fb / fa
        p = s * (span * q * (q - r) - (b - a) * (r - 1))
        q = (q - 1) * (r - 1) * (s - 1)
    q, p = (-q, p) if p > 0 else (q, -p)
    if p < 0.75 * span * q - abs(tolerance * q) / 2 and p < abs(before * q / 2):
        return p / q
    return step
