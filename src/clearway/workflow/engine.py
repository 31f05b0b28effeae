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
import dbos._queue as dbos_queue
import dbos._serialization as dbos_serialization
import dbos._sys_db as dbos_tables
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from clearway.storage import Database, Pulse, UnitOfWork

from . import store
from .bells import Alarm, Bells
from .model import Changed, Chore, Flow, Flows
from .resting import MOST_S, let_rest
from .service import BUILDS, Starter, seconds_to_next, wake_due

APPLICATION_VERSION = "clearway-1"
THREADS = 24
POLL_S = 0.1
LEASE_S = 10.0  # a worker that was not heard for so long is taken for dead; PostgreSQL only
# Flows at once in a worker, and seconds between two looks. A look costs about 3 ms of CPU: only what
# people wait for is looked at often.
QUEUES: Mapping[str, tuple[int, float]] = {
    "runs": (12, POLL_S),
    "builds": (BUILDS, 0.25),  # the settings may say more
    "notices": (4, 1.0),
}
UNWRITTEN_S = 60.0  # a chore that has work only after writes is done this often without any
RARELY_S = 0.5  # where everybody who starts a flow can ring for it, looking is only for lost rings
log = logging.getLogger("clearway.workflow")


class PickleRefused(RuntimeError):
    """A row of the engine's tables claims to be pickled Python; somebody wrote it who should not."""


def refuse_pickle() -> None:
    """Replace the engine's default reader and writer, which are pickle, by ones that refuse."""

    def refuse(*_: Any) -> Any:
        raise PickleRefused("a row of the engine's tables claims to hold pickled data; it was not read")

    for method in ("serialize", "deserialize"):
        setattr(dbos_serialization.DefaultSerializer, method, refuse)


_look = dbos_queue.queue_worker_thread


def hear_bells(bells: Bells, engine: DBOS) -> None:
    """Have the engine look at a queue when its bell rings: after a start, and after a flow's end made room.

    The engine knows only intervals, so its looking gets an event that ends waits early; and the register of
    what runs rings when something leaves it, for only then is there room in the engine's eyes. These are
    private parts, as its version is pinned: tests/unit/workflow/test_bells.py notices when they are gone.
    """

    def look(stop: threading.Event, looking: DBOS, queue: dbos.Queue) -> None:
        _look(Alarm(stop, bells, queue.name), looking, queue)  # type: ignore[arg-type]

    active = engine._active_workflows_set
    remove = active._remove

    def remove_and_ring(key: str, bucket: tuple[str, str | None] | None) -> None:
        remove(key, bucket)
        if bucket is not None:
            bells.ring(bucket[0])

    # Every flow names its version (Sender.send). Whether ours is the newest matters only to flows that
    # name none, and finding it out is half of what a look costs.
    replaced = (
        (dbos_queue, "queue_worker_thread", look),
        (active, "_remove", remove_and_ring),
        (dbos_tables.SystemDatabase, "_is_latest_version", lambda *_: False),
    )
    for owner, name, stand_in in replaced:
        getattr(owner, name)  # another version of the engine may do without
        setattr(owner, name, stand_in)


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
        try:
            return DBOS.run_step({"name": name}, function, *args)
        except dbos.error.DBOSUnexpectedStepError as error:
            raise Changed(f"another version of Clearway began it, without a step {name} here") from error


class Engine:
    """Runs flows, wakes rows that are due, and repeats chores, until it is stopped."""

    def __init__(
        self,
        database: Database,
        flows: Flows,
        chores: Iterable[Chore],
        executor_id: str,
        lease_s: float = LEASE_S,
    ) -> None:
        refuse_pickle()
        self._executor_id = executor_id
        # On SQLite there is one worker, always of the same name: the engine itself takes up what it left.
        self._lease_s = lease_s if database.engine.dialect.name == "postgresql" else None
        self._database = database
        self._chores = list(chores)
        self._stop = threading.Event()
        self._pulse = Pulse(database)
        self._threads: list[threading.Thread] = []
        starter = database.tools.get(Starter)
        self._bells = starter.bells if isinstance(starter, Starter) else Bells()
        builds = starter.builds if isinstance(starter, Starter) else BUILDS
        self._queues = {**QUEUES, "builds": (builds, QUEUES["builds"][1])}
        self._room = THREADS + builds - BUILDS
        self._dbos = DBOS(config=self._config(executor_id))
        self._lanes = {name: threading.BoundedSemaphore(width) for name, (width, _) in self._queues.items()}
        for name, flow in flows.items():
            self._register(name, flow)

    def _config(self, executor_id: str) -> DBOSConfig:
        return {
            "name": "clearway",
            "system_database_url": self._database.url,
            "sys_db_pool_size": self._room + 8,  # a smaller pool than threads stalls SQLite
            "max_executor_threads": self._room,
            "application_version": APPLICATION_VERSION,
            "executor_id": executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "enable_otlp": False,
            "log_level": "WARNING",
            "run_migrations": False,
        }

    def _register(self, name: str, flow: Flow) -> None:
        database, lanes = self._database, self._lanes[flow.queue]

        def run_flow(args: dict[str, Any]) -> None:
            # The engine counts a flow only once its thread runs, so a quick look may take too many.
            with lanes:
                flow.function(database, _Run(str(DBOS.workflow_id)), **args)

        DBOS.workflow(name=name)(run_flow)

    def launch(self) -> None:
        """Start working; returns at once. Flows that a killed worker left are taken up again."""
        self._pulse.start()
        self._bells.listen(QUEUES, self._pulse.beat)
        hear_bells(self._bells, self._dbos)
        if self._lease_s:
            self._beat()
        DBOS.launch()
        let_rest(self._dbos.background_thread_stop_events, self._pulse)
        # One machine: every process that starts flows shares our home folder, and the pipe in it.
        alone = self._database.engine.dialect.name == "sqlite"
        for name, (width, poll_s) in self._queues.items():
            DBOS.register_queue(
                name,
                worker_concurrency=width,
                polling_interval_sec=max(poll_s, RARELY_S) if alone else poll_s,
                on_conflict="always_update",
            )
        self._thread("timers", self._wake_rows, POLL_S)
        if self._lease_s:
            self._thread("lease", self._keep_lease, self._lease_s / 5)
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

    def _keep_lease(self) -> None:
        """Say that this worker lives, and take up what workers left that are not heard any more.

        Taking up puts a flow back into the queue in one atomic step, so two workers may do it at once; one
        that was only slow finds its next checkpoint refused.
        """
        self._beat()
        with self._database.read() as uow:
            left = store.silent(uow, self._lease_s or LEASE_S)
        if left:
            log.warning("taking up the flows of workers that are not heard: %s", ", ".join(left))
            # Private in the release that is pinned; a test that kills a worker would miss it.
            DBOS._recover_pending_workflows(left)

    def _beat(self) -> None:
        with self._database.begin() as uow:
            store.beat(uow, self._executor_id)
            store.drop_silent(uow, self._lease_s or LEASE_S)

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
        self._bells.hush()
        if self._lease_s:
            with self._database.begin() as uow:
                store.forget_worker(uow, self._executor_id)
