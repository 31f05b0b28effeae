"""Databases for tests: a fresh SQLite file with every room's tables."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import clearway
from clearway.kernel import FixedClock
from clearway.storage import Bus, Database, metadata


def load_tables() -> None:
    """Import every room's store, so that `metadata` knows every table."""
    for room in pkgutil.iter_modules(clearway.__path__, "clearway."):
        if not room.ispkg:
            continue
        for module in pkgutil.iter_modules(importlib.import_module(room.name).__path__, room.name + "."):
            if module.name.endswith(".store"):
                importlib.import_module(module.name)


def make_database(
    folder: Path,
    *,
    clock: Callable[[], datetime] | None = None,
    tools: Mapping[type[Any], Any] | None = None,
    bus: Bus | None = None,
) -> Database:
    """A new database in the folder; its clock stands still unless another is given."""
    load_tables()
    database = Database(f"sqlite:///{folder / 'clearway.db'}", clock or FixedClock(), tools, bus)
    metadata.create_all(database.engine)
    return database
