"""Rolling: a few instances at a time, within `surge` more and `unavailable` fewer than wanted."""

from __future__ import annotations

from clearway.deploy.model import Order, Side, Stage


def stages(order: Order, old_instances: int) -> tuple[Stage, ...]:
    """Replace batch by batch; the traffic follows the instances."""
    wanted, surge, unavailable = order.instances, order.strategy.surge, order.strategy.unavailable
    found: list[Stage] = []
    new, old = 0, old_instances
    while new < wanted:
        room = wanted + surge - new - old
        if room <= 0:
            # No more may run at once: some of the old ones make room, `wanted - unavailable` still run.
            old = max(0, wanted - unavailable - new)
            text = f"{old} of the old instances stay, to make room"
            found.append(Stage(text, {}, _weights(new, old), stop={"old": old}))
            continue
        new = min(wanted, new + room)
        text = f"{new} of {wanted} run {order.version}"
        found.append(Stage(text, {"new": new}, {"new": 100} if new == wanted else _weights(new, old)))
    return tuple(found)


def _weights(new: int, old: int) -> dict[Side, int]:
    """Traffic as the instances are; all to the other side when one has none."""
    if new == 0 or old == 0:
        return {"new": 100} if new else {"old": 100}
    share = round(100 * new / (new + old))
    return {"new": share, "old": 100 - share}
