"""A worker process, from its first lock to its last flow."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from clearway.kernel import Conflict, new_id
from clearway.storage import Database
from clearway.workflow import Chore, Flows

log = logging.getLogger("clearway.worker")


def work(database: Database, flows: Flows, chores: Iterable[Chore], home: Path) -> None:
    """Work until SIGTERM or SIGINT. On SQLite one worker at a time: a second one raises Conflict."""
    from clearway.workflow import Engine

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _only_one(database, home) as executor:
        engine = Engine(database, flows, chores, executor)
        engine.launch()
        log.info("worker %s is ready", executor)
        stop.wait()
        engine.drain()


@contextmanager
def _only_one(database: Database, home: Path) -> Iterator[str]:
    """The executor's name: on SQLite fixed and exclusive, so that a restart takes up what it left."""
    if database.engine.dialect.name != "sqlite":
        yield f"{socket.gethostname()}-{new_id('wrk')}"
        return
    with (home / "worker.lock").open("a+") as held:
        _lock(held)
        yield "embedded"


def _lock(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise Conflict(
            f"another worker already serves this folder (process {file.read().strip() or 'unknown'})",
            where=file.name,
            todo="Stop it first, or use PostgreSQL for several workers.",
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
