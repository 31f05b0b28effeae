"""Noting that a token or a session is in use, without making anybody wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

import sqlalchemy as sa

from clearway.kernel import ClearwayError
from clearway.storage import Database, UnitOfWork

_EVERY = timedelta(minutes=1)
_MOST = 10_000


class Touches:
    """Notes each use at most once a minute, so that reads stay reads.

    Beside the request: a read must not wait for the database's writers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, datetime] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="clearway-touch")

    def seen(self, database: Database, key: str, note: Callable[[UnitOfWork], object]) -> None:
        """`key` was used just now; `note` writes it down."""
        now = database.clock()
        with self._lock:
            last = self._at.get(key)
            if last is not None and now - last < _EVERY:
                return
            if len(self._at) > _MOST:
                self._at.clear()
            self._at[key] = now
        self._writer.submit(_write, database, note)


def _write(database: Database, note: Callable[[UnitOfWork], object]) -> None:
    # It is a hint for the access review: a database that is busy or away is not worth an error.
    with suppress(ClearwayError, sa.exc.SQLAlchemyError), database.begin() as uow:
        note(uow)
