"""The database, and the unit of work in which everything that belongs together commits together.

Rules:
1. A write transaction takes SQLite's write lock at its start (BEGIN IMMEDIATE). A transaction that read first
   and asks for the lock later is refused at once when another writer came between, whatever the time-out.
2. SQLite stays on its rollback journal unless the library has the WAL-reset fix (3.51.3, or its backports):
   older ones can corrupt a WAL database that several connections use.
3. Events run in the transaction that published them; what must happen after the commit is a queued flow.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event

from clearway.kernel import Clock, Event, Retry

T = TypeVar("T")
E = TypeVar("E", bound=Event)
Handler = Callable[["UnitOfWork", Any], None]

_WAL_SAFE = ((3, 51, 3),)
_WAL_BACKPORTS = ((3, 44, 6), (3, 50, 7))
BUSY_TIMEOUT_S = 30.0
_IN_THE_WAY = ("40P01", "40001")  # PostgreSQL: deadlock, no serial order


class Bus:
    """Who hears which event; filled by wiring, read-only afterwards."""

    def __init__(self) -> None:
        self._handlers: dict[type[Event], list[Handler]] = {}

    def subscribe(self, kind: type[E], handler: Callable[[UnitOfWork, E], None]) -> None:
        """Call the handler, in order of subscription, for each published event of this exact type."""
        self._handlers.setdefault(kind, []).append(handler)

    def deliver(self, uow: UnitOfWork, happened: Event) -> None:
        """Run the subscribers inside the transaction of `uow`."""
        for handler in self._handlers.get(type(happened), ()):
            handler(uow, happened)


class UnitOfWork:
    """One transaction, with what a room's verbs need beside it. Made by `Database.begin` and `.read`."""

    def __init__(self, database: Database, connection: sa.Connection, writable: bool) -> None:
        self.connection = connection
        self.writable = writable
        self.memo: dict[Any, Any] = {}  # per-transaction cache for rooms that would otherwise read twice
        self._database = database
        self._after: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """The instant of the database's clock, aware UTC."""
        return self._database.clock()

    def tool(self, kind: type[T]) -> T:
        """What wiring bound for a port. Raises LookupError when nothing is bound: a fault of the wiring."""
        return self._database.tool(kind)

    def has_tool(self, kind: type[Any]) -> bool:
        """Whether wiring bound this port."""
        return kind in self._database.tools

    def publish(self, happened: Event) -> None:
        """Tell the rooms above, in this transaction."""
        self._database.bus.deliver(self, happened)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run a hint (never a duty: a crash may skip it) once the transaction is committed."""
        self._after.append(action)

    def _committed(self) -> None:
        for action in self._after:
            action()


class Database:
    """An engine, a clock, a bus and tools: everything a room's verbs reach through their unit of work."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        tools: Mapping[type[Any], Any] | None = None,
        bus: Bus | None = None,
        pool_size: int = 20,
    ) -> None:
        self.url = url
        self.clock = clock
        self.tools: dict[type[Any], Any] = dict(tools or {})
        self.bus = bus or Bus()
        self.engine = _make_engine(url, pool_size)
        self._writers = threading.Lock() if self.engine.dialect.name == "sqlite" else None

    def tool(self, kind: type[T]) -> T:
        """What wiring bound for a port."""
        try:
            return cast(T, self.tools[kind])
        except KeyError:
            raise LookupError(f"wiring bound nothing for {kind.__module__}.{kind.__qualname__}") from None

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        """A write transaction: commits when the block ends well, else rolls back. Raises Retry if locked."""
        with self._transaction(writable=True) as uow:
            yield uow
        uow._committed()

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """A read-only snapshot."""
        with self._transaction(writable=False) as uow:
            yield uow

    @contextmanager
    def _transaction(self, *, writable: bool) -> Iterator[UnitOfWork]:
        # One process queues its writers here, fairly, instead of in SQLite's sleeping busy handler.
        held = self._writers if writable else None
        if held is not None and not held.acquire(timeout=BUSY_TIMEOUT_S):
            raise Retry("the database is busy", todo="Try again in a moment.")
        try:
            with self.engine.connect() as connection:
                connection = connection.execution_options(clearway_write=writable)
                if not writable and connection.dialect.name == "postgresql":
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                with _translate_locks(), connection.begin():
                    yield UnitOfWork(self, connection, writable)
        finally:
            if held is not None:
                held.release()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def _translate_locks() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        text, state = str(error.orig).lower(), getattr(error.orig, "sqlstate", None)
        if state in _IN_THE_WAY:  # before the texts: PostgreSQL tells of a deadlock who was "blocked"
            raise Retry(
                "another transaction was in the way; nothing was changed", todo="Try again at once."
            ) from error
        if state == "55P03" or (state is None and ("locked" in text or "busy" in text)):
            raise Retry("the database is locked by another process", todo="Try again in a moment.") from error
        if "disk is full" in text or "disk full" in text:
            raise Retry(
                "the disk that holds the database is full; nothing was changed",
                todo="Free some space; Clearway goes on by itself.",
            ) from error
        raise


def _make_engine(url: str, pool_size: int) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see rule 1
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        f"PRAGMA journal_mode = {'WAL' if wal_is_safe(sqlite3.sqlite_version_info) else 'DELETE'}"
    )


def _begin_sqlite(connection: sa.Connection) -> None:
    writable = connection.get_execution_options().get("clearway_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writable else "BEGIN")


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the WAL-reset fix (rule 2)."""
    if version >= _WAL_SAFE[0]:
        return True
    return any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_BACKPORTS)
