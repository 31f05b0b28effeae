"""Starting flows, now or later, in the transaction of the fact that asks for it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from clearway.kernel import Permanent
from clearway.storage import Database, UnitOfWork

from . import store
from .bells import Bells
from .model import Flows

if TYPE_CHECKING:
    from .engine import Sender

BUILDS = 2  # at once in a worker, unless the settings say otherwise
TIMER_BATCH = 200
PUT_OFF = timedelta(minutes=5)  # what cannot be started may be known again after an upgrade
log = logging.getLogger("clearway.workflow")
# The engine's own schema: the number of its migrations, which `migrate` brings every database to.
ENGINE_SCHEMA = {"sqlite": 125, "postgresql": 125}


class Starter:
    """Enqueues flows inside our own transactions; bound as a tool, in the server as in the worker."""

    def __init__(
        self,
        database: Database,
        queue_of: Mapping[str, str],
        pipe: Path | None = None,
        *,
        builds: int = BUILDS,
    ) -> None:
        self.bells = Bells(pipe)
        self.builds = builds  # at once in a worker
        self._database = database
        self._queue_of = dict(queue_of)

    @cached_property
    def _sender(self) -> Sender:
        # Here, because a server that only answers has no need of the engine, which is slow to import.
        from .engine import Sender

        return Sender(self._database)

    def enqueue(self, uow: UnitOfWork, flow: str, key: str, args: dict[str, Any]) -> None:
        """Queue a flow; the same key again does nothing."""
        queue = self._queue_of.get(flow)
        if queue is None:
            raise Permanent(f"this version of Clearway knows no flow {flow}")
        self._sender.send(uow, flow, queue, key, args)
        uow.after_commit(lambda: self.bells.ring(queue))


def capacity(uow: UnitOfWork) -> int:
    """How many builds all workers together have room for; those that are down for a moment count."""
    width: int = getattr(uow.tool(Starter), "builds", BUILDS)
    return width * max(1, store.workers(uow))


def queue_table(flows: Flows) -> dict[str, str]:
    """Which queue each flow runs on."""
    return {name: flow.queue for name, flow in flows.items()}


def is_migrated(database: Database) -> bool:
    """Whether the engine's own tables are what `migrate` makes them; found without loading the engine."""
    with database.read() as uow:
        return store.engine_schema(uow) == ENGINE_SCHEMA.get(uow.connection.dialect.name)


def wake_due(database: Database) -> int:
    """Start what is due, each in the transaction that takes its row away; returns how many."""
    with database.read() as uow:
        if not store.any_due(uow, uow.now()):
            return 0
    with database.begin() as uow:
        rows = store.due_timers(uow, uow.now(), TIMER_BATCH)
        return sum(_wake(uow, row) for row in rows)


def _wake(uow: UnitOfWork, row: Any) -> bool:
    """Start one row. One that cannot be started is put off and said: it must not keep all others asleep."""
    try:
        with uow.connection.begin_nested():
            store.drop_timer(uow, row.key)
            uow.tool(Starter).enqueue(uow, row.flow, row.key, row.args)
    except sa.exc.OperationalError:
        raise  # the database's trouble, not the row's
    except Exception as error:  # noqa: BLE001 - one row must not stop the clock of all others
        later = uow.now() + PUT_OFF
        log.error("%s of flow %s cannot be started, again at %s: %s", row.key, row.flow, later, error)
        store.save_timer(uow, row.flow, row.key, row.args, later)
        return False
    return True


def seconds_to_next(database: Database) -> float:
    """Until the next row is due, for whoever wants to look in time; without a row, for ever."""
    with database.read() as uow:
        due = store.next_due(uow)
        return math.inf if due is None else max(0.0, (due - uow.now()).total_seconds())


def start(uow: UnitOfWork, flow: str, key: str, args: dict[str, Any], at: datetime | None = None) -> None:
    """Start a flow in this transaction, once for each key; with `at`, as a row that wakes then."""
    if at is not None and at > uow.now():
        store.save_timer(uow, flow, key, args, at)
    else:
        uow.tool(Starter).enqueue(uow, flow, key, args)


def cancel(uow: UnitOfWork, key: str) -> None:
    """Forget a start that still waits; one that began is told through its own row instead."""
    store.drop_timer(uow, key)
