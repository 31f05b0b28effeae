"""How a new version takes over: each strategy declares its stages, the same on every target."""

from __future__ import annotations

from clearway.deploy.model import Order, Stage, Step
from clearway.kernel import format_duration

from . import blue_green, canary, recreate, rolling
from .back import back_stages
from .first import first_stages

__all__ = ["back_stages", "forward_stages", "plan_steps"]

_STRATEGIES = {
    "recreate": recreate.stages,
    "rolling": rolling.stages,
    "blue-green": blue_green.stages,
    "canary": canary.stages,
}


def forward_stages(order: Order, old_instances: int) -> tuple[Stage, ...]:
    """The way forward; `old_instances` is 0 when nothing runs there yet."""
    if old_instances == 0:
        return first_stages(order)
    if order.kind == "rollback":
        return blue_green.stages(order, old_instances)  # going back is a switch, instant when it is warm
    return _STRATEGIES[order.strategy.kind](order, old_instances)


def plan_steps(order: Order, old_instances: int) -> tuple[Step, ...]:
    """The stages as a plan shows them."""
    steps = []
    for stage in forward_stages(order, old_instances):
        kind = "judge" if stage.judged else "shift" if stage.weights else "start"
        detail = {
            "run": dict(stage.run),
            "weights": dict(stage.weights),
            "hold": format_duration(stage.hold),
            "judged": stage.judged,
            "stop": dict(stage.stop),
        }
        steps.append(Step(kind, stage.text, detail))
    return tuple(steps)
