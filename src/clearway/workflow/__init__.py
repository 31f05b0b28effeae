"""Durable work: started in the transaction of the fact that asks for it, resumed after any crash."""

from typing import TYPE_CHECKING, Any

from .model import Chore, Flow, Flows, Run

if TYPE_CHECKING:
    from .engine import Engine, Starter, cancel, migrate, queue_table, start, wake_due

__all__ = [
    "Chore",
    "Engine",
    "Flow",
    "Flows",
    "Run",
    "Starter",
    "cancel",
    "migrate",
    "queue_table",
    "start",
    "wake_due",
]


def __getattr__(name: str) -> Any:
    # The engine takes a third of a second to import; rooms that only declare flows don't pay for it.
    if name in __all__:
        from . import engine

        return getattr(engine, name)
    raise AttributeError(name)
