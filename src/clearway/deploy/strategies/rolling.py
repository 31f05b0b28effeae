"""Rolling: a few instances at a time, within `surge` more and `unavailable` fewer than wanted."""

from __future__ import annotations

from clearway.deploy.model import Order, Side, Stage


def stages(order: Order, old_instances: int) -> tuple[Stage, ...]:
    """Replace batch by batch; the traffic follows the instances."""
    wanted = order.instances
    batch = max(1, order.strategy.surge + order.strategy.unavailable)
    found = []
    new = 0
    while new < wanted:
        new = min(wanted, new + batch)
        # The old side shrinks as the new one grows; it never ends before the new one is complete.
        old = 0 if new == wanted else max(1, old_instances - round(old_instances * new / wanted))
        share = 100 if new == wanted else round(100 * new / (new + old))
        weights: dict[Side, int] = {"new": share} if share == 100 else {"new": share, "old": 100 - share}
        text = f"{new} of {wanted} run {order.version}, {share} % of the traffic"
        found.append(Stage(text, {"new": new}, weights, stop={} if new == wanted else {"old": old}))
    return tuple(found)
