"""Durable work: started in the transaction of the fact that asks for it, resumed after any crash."""

from typing import TYPE_CHECKING, Any

from .model import Changed, Chore, Flow, Flows, Run
from .service import BUILDS, Starter, cancel, capacity, is_migrated, queue_table, start, wake_due

if TYPE_CHECKING:
    from .engine import Engine, migrate

__all__ = [
    "BUILDS",
    "Changed",
    "Chore",
    "Engine",
    "Flow",
    "Flows",
    "Run",
    "Starter",
    "cancel",
    "capacity",
    "is_migrated",
    "migrate",
    "queue_table",
    "start",
    "wake_due",
]


def __getattr__(name: str) -> Any:
    # The engine takes a third of a second to import; who only starts flows does not pay for it.
    if name in __all__:
        from . import engine

        return getattr(engine, name)
    raise AttributeError(name)
