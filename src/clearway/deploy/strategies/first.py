"""The first release in an environment: nothing to compare with or go back to, so health decides."""

from __future__ import annotations

from clearway.deploy.model import Order, Stage


def first_stages(order: Order) -> tuple[Stage, ...]:
    """Start all, and serve when all are healthy."""
    count = order.instances
    return (
        Stage(f"start {count} of {order.version}", {"new": count}, {}),
        Stage(f"serve {order.version}: the first release here, nothing to compare with", {}, {"new": 100}),
    )
