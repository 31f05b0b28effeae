"""The durable engine behind the door; the only module that knows DBOS.

Rules:
1. Everything is enqueued, in the caller's transaction, under a key that is used once.
2. Nothing is ever unpickled: inputs and results are JSON, and the engine's default reader is replaced by one
   that refuses, because a row *tagged* as pickle would be unpickled by merely listing flows.
3. The application version is constant: waiting work is rows of ours, so an upgrade meets no old code half-way
4. The enterprise options of the engine stay off.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dbos
import dbos._serialization as dbos_serialization
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from clearway.storage import Database, Pulse, UnitOfWork

from .model import Chore, Flows
from .resting import MOST_S, let_rest
from .service import seconds_to_next, wake_due

APPLICATION_VERSION = "clearway-1"
THREADS = 24
POLL_S = 0.1
# Flows at once in a worker, and seconds between two looks. A look costs about 3 ms of CPU: only what
# people wait for is looked at often.
QUEUES: Mapping[str, tuple[int, float]] = {"runs": (12, POLL_S), "builds": (2, 0.25), "notices": (4, 1.0)}
UNWRITTEN_S = 60.0  # a chore that has work only after writes is done this often without any
log = logging.getLogger("clearway.workflow")


class PickleRefused(RuntimeError):
    """A row of the engine's tables claims to be pickled Python; somebody wrote it who should not."""


def refuse_pickle() -> None:
    """Replace the engine's default reader and writer, which are pickle, by ones that refuse."""

    def refuse(*_: Any) -> Any:
        raise PickleRefused("a row of the engine's tables claims to hold pickled data; it was not read")

    for method in ("serialize", "deserialize"):
        setattr(dbos_serialization.DefaultSerializer, method, refuse)


class Sender:
    """Puts flows into the engine's queues."""

    def __init__(self, database: Database) -> None:
        refuse_pickle()
        self._client = DBOSClient(
            system_database_engine=database.engine,
            dbos_system_schema="dbos",
            serializer=DBOSPortableJSONSerializer(),
            lazy=True,
        )

    def send(self, uow: UnitOfWork, flow: str, queue: str, key: str, args: dict[str, Any]) -> None:
        """Queue a flow in the caller's transaction; the same key again does nothing."""
        options: dbos.EnqueueOptions = {
            "workflow_name": flow,
            "queue_name": queue,
            "workflow_id": key,
            "app_version": APPLICATION_VERSION,
        }
        self._client.enqueue_in_transaction(uow.connection, options, args)


def migrate(database: Database) -> None:
    """Make or upgrade the engine's own tables."""
    refuse_pickle()
    dbos.run_dbos_database_migrations(system_database_url=database.url, schema="dbos")


class _Run:
    def __init__(self, key: str) -> None:
        self.key = key

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        return DBOS.run_step({"name": name}, function, *args)


class Engine:
    """Runs flows, wakes rows that are due, and repeats chores, until it is stopped."""

    def __init__(self, database: Database, flows: Flows, chores: Iterable[Chore], executor_id: str) -> None:
        refuse_pickle()
        self._database = database
        self._chores = list(chores)
        self._stop = threading.Event()
        self._pulse = Pulse(database)
        self._threads: list[threading.Thread] = []
        self._dbos = DBOS(config=self._config(executor_id))
        for name, flow in flows.items():
            self._register(name, flow.function)

    def _config(self, executor_id: str) -> DBOSConfig:
        return {
            "name": "clearway",
            "system_database_url": self._database.url,
            "sys_db_pool_size": THREADS + 8,  # a smaller pool than threads stalls SQLite
            "max_executor_threads": THREADS,
            "application_version": APPLICATION_VERSION,
            "executor_id": executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "enable_otlp": False,
            "log_level": "WARNING",
            "run_migrations": False,
        }

    def _register(self, name: str, function: Callable[..., None]) -> None:
        database = self._database

        def run_flow(args: dict[str, Any]) -> None:
            function(database, _Run(str(DBOS.workflow_id)), **args)

        DBOS.workflow(name=name)(run_flow)

    def launch(self) -> None:
        """Start working; returns at once. Flows that a killed worker left are taken up again."""
        self._pulse.start()
        DBOS.launch()
        let_rest(self._dbos.background_thread_stop_events, self._pulse)
        for name, (width, poll_s) in QUEUES.items():
            DBOS.register_queue(
                name, worker_concurrency=width, polling_interval_sec=poll_s, on_conflict="always_update"
            )
        self._thread("timers", self._wake_rows, POLL_S)
        for chore in self._chores:
            self._thread(chore.name, lambda chore=chore: self._do(chore), chore.every_s)  # type: ignore[misc]

    def _thread(self, name: str, work: Callable[[], None], every_s: float) -> None:
        def loop() -> None:
            while not self._stop.wait(every_s):
                try:
                    work()
                except Exception:
                    log.exception("%s failed; it will be tried again", name)

        thread = threading.Thread(target=loop, name=f"clearway-{name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _do(self, chore: Chore) -> None:
        began = time.monotonic()
        chore.function(self._database)
        if chore.only_after_writes:
            self._pulse.rest(UNWRITTEN_S, began)

    def _wake_rows(self) -> None:
        began = time.monotonic()
        wake_due(self._database)
        self._pulse.rest(min(MOST_S, seconds_to_next(self._database)), began)

    def drain(self, seconds: int = 5) -> None:
        """Stop: let running flows end for a while, then leave the rest to the next start."""
        self._stop.set()
        self._pulse.stop()
        for thread in self._threads:
            thread.join(timeout=seconds)
        DBOS.destroy(workflow_completion_timeout_sec=seconds)
