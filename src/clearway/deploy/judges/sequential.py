"""Looking often without being fooled often: how much error each announced look may spend.

Rules:
1. The looks are announced before the canary starts. After the last one nothing may be spent any more.
2. Look k of K may have spent `alpha * ln(1 + (e - 1) t)` at its share t of the data (Lan and DeMets' form of
   Pocock's plan): a bad canary is to be found early, so the early looks get a real part of it.
3. The level of a look follows from the joint normal law of the cumulated statistics, by the recursive
   integration of Armitage, McPherson and Rowe. Exact tests spend less than their level, never more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from clearway.kernel import Invalid

NODES = 160  # Gauss-Legendre nodes; the integrand is smooth inside the bounds


def spent(alpha: float, share: float) -> float:
    """How much of alpha may be spent once this share (0 to 1) of the data is there."""
    return alpha * math.log1p((math.e - 1) * min(max(share, 0.0), 1.0))


def equal_shares(looks: int) -> tuple[float, ...]:
    """Shares of the data for looks at equal distances."""
    return tuple((index + 1) / looks for index in range(looks))


def check_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """The shares, when they rise strictly to 1. Raises Invalid."""
    plan = tuple(float(share) for share in shares)
    rising = all(a < b for a, b in zip((0.0, *plan), plan, strict=False))
    if not plan or not rising or abs(plan[-1] - 1.0) > 1e-9:
        raise Invalid(
            f"{plan} is no plan of looks", expected="shares of the data that rise from above 0 to 1"
        )
    return plan


@lru_cache(maxsize=256)
def levels(alpha: float, shares: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided level of every look, so that all looks together err with at most `alpha`."""
    import numpy as np
    from scipy import special

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    found: list[float] = []
    points: Any = None  # where the walk may be, not yet stopped, and with which mass
    mass: Any = None
    for index, share in enumerate(shares):
        step = math.sqrt(share - (shares[index - 1] if index else 0.0))
        allowed = spent(alpha, share) - (spent(alpha, shares[index - 1]) if index else 0.0)

        def crossing(bound: float, step: float = step, points: Any = points, mass: Any = mass) -> float:
            if points is None:
                return float(special.ndtr(-bound / step))
            return float(np.dot(mass, special.ndtr((points - bound) / step)))

        bound = _bisect(crossing, allowed, 9.0 * math.sqrt(share))
        found.append(float(special.ndtr(-bound / math.sqrt(share))))
        low = -8.0 * math.sqrt(share)
        grid = low + (bound - low) * (nodes + 1) / 2
        scale = weights * (bound - low) / 2
        if points is None:
            density = np.exp(-0.5 * (grid / step) ** 2) / (step * math.sqrt(2 * math.pi))
        else:
            gaps = (grid[:, None] - points[None, :]) / step
            density = (np.exp(-0.5 * gaps**2) @ mass) / (step * math.sqrt(2 * math.pi))
        points, mass = grid, density * scale
    return tuple(found)


def _bisect(crossing: Any, allowed: float, high: float) -> float:
    """The bound whose chance to be crossed is `allowed`; the chance falls as the bound rises."""
    low = -high
    for _ in range(80):
        middle = (low + high) / 2
        if crossing(middle) > allowed:
            low = middle
        else:
            high = middle
    return high
