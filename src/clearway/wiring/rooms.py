"""What the rooms export for the machine: flows, chores, subscribers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from clearway import ledger
from clearway.storage import Bus
from clearway.workflow import Chore, Flow

# Lower rooms first: an event's subscribers run in this order.
ROOMS = (
    "ledger",
    "access",
    "policy",
    "catalog",
    "config",
    "source",
    "artifacts",
    "build",
    "changes",
    "deploy",
    "releases",
    "incidents",
    "metrics",
    "notices",
)


def doors() -> Iterator[ModuleType]:
    """Every domain room's door, lowest first."""
    for name in ROOMS:
        yield importlib.import_module(f"clearway.{name}")


def collect_flows() -> dict[str, Flow]:
    """All flows by name. Raises ValueError when two rooms claim one name."""
    found: dict[str, Flow] = {}
    for door in doors():
        for name, flow in getattr(door, "FLOWS", {}).items():
            if name in found:
                raise ValueError(f"two rooms export the flow {name}")
            found[name] = flow
    return found


def collect_chores() -> list[Chore]:
    """All periodic work. The ledger lies below the room that knows chores, so its one is made here."""
    signing = Chore("ledger.sign", 5.0, ledger.sign_if_grown, only_after_writes=True)
    return [signing, *(chore for door in doors() for chore in getattr(door, "CHORES", ()))]


def make_bus() -> Bus:
    """The bus, with every room's subscribers."""
    bus = Bus()
    for door in doors():
        for kind, handler in _subscribers(door):
            bus.subscribe(kind, handler)
    return bus


def _subscribers(door: ModuleType) -> Iterator[tuple[Any, Any]]:
    yield from getattr(door, "SUBSCRIBERS", ())
