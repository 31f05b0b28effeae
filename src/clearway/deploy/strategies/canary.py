"""Canary: a growing share of the traffic, judged at every step against a fresh baseline.

The baseline is the old version, started at the same moment and given the same share as the canary: an old
process with warm caches against a new one with cold caches compares ages, not versions.
"""

from __future__ import annotations

from math import ceil

from clearway.deploy.model import Order, Side, Stage


def stages(order: Order, old_instances: int) -> tuple[Stage, ...]:
    """Beside each other, then step by step; the last step takes everything."""
    found = []
    for step in order.strategy.steps:
        if step.weight == 100:
            text = f"100 % to {order.version}"
            found.append(Stage(text, {"new": order.instances}, {"new": 100}, step.hold, stop={"baseline": 0}))
            continue
        # As many canaries as carry their share; the baseline mirrors them, instance by instance.
        count = max(1, ceil(order.instances * step.weight / 100))
        text = f"{step.weight} % to {order.version}, as much to a fresh baseline, then judge"
        run: dict[Side, int] = {"new": count, "baseline": count}
        found.append(Stage(text, run, _weights(step.weight), step.hold, judged=True))
    return tuple(found)


def _weights(share: int) -> dict[Side, int]:
    """Canary and baseline get the same share where that is possible; the old side gets the rest."""
    baseline = min(share, 100 - share)
    old = 100 - share - baseline
    weights: dict[Side, int] = {"new": share, "baseline": baseline}
    return weights | {"old": old} if old else weights
