"""Recreate: stop the old version, then start the new one; the plan says that nobody is served between."""

from __future__ import annotations

from clearway.deploy.model import Order, Stage


def stages(order: Order, old_instances: int) -> tuple[Stage, ...]:
    """Stop all, start all, serve."""
    count = order.instances
    return (
        Stage("stop what runs: downtime begins", {}, {}, stop={"old": 0}),
        Stage(f"start {count} of {order.version}", {"new": count}, {}),
        Stage(f"serve {order.version}: downtime ends", {}, {"new": 100}),
    )
