"""Blue-green: the new version beside the old one, then one switch; the old side stays warm for a while."""

from __future__ import annotations

from clearway.deploy.model import Order, Stage


def stages(order: Order, old_instances: int) -> tuple[Stage, ...]:
    """Start all beside, then switch."""
    count = order.instances
    return (
        Stage(f"start {count} of {order.version} beside", {"new": count}, {"old": 100}),
        Stage(f"switch all traffic to {order.version}", {}, {"new": 100}),
    )
