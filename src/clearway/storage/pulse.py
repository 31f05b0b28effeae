"""Whether anybody writes to the database: what asks it again and again may rest while nobody does."""

from __future__ import annotations

import sqlite3
import threading
import time

import sqlalchemy as sa

from .database import Database

LOOK_EVERY_S = 0.05


class Pulse:
    """Feels every commit to a SQLite file, of any process, some hundredths of a second after it.

    SQLite counts its commits, and asking for the count costs a hundredth of asking a table. Other databases
    are not asked: there nobody rests, and everything is as it would be without a pulse.
    """

    def __init__(self, database: Database) -> None:
        self._url = database.engine.url
        self._beat = threading.Condition()
        self._last = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to feel."""
        if self._url.get_backend_name() == "sqlite":
            self._thread = threading.Thread(target=self._feel, name="clearway-pulse", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let everybody go who rests, and let nobody rest any more."""
        self._stop.set()
        self.beat()
        if self._thread is not None:
            self._thread.join()

    def rest(self, most_s: float, since: float) -> None:
        """Return at the next commit, or after `most_s`; at once when one was felt after `since`, which is the
        monotonic time before one's last look, so that no commit goes unnoticed between a look and a rest."""
        if self._thread is None:
            return
        with self._beat:
            if not self._stop.is_set() and self._last < since:
                self._beat.wait(most_s)

    def beat(self) -> None:
        """Somebody knows of a commit before it was felt: nobody rests any longer."""
        with self._beat:
            self._last = time.monotonic()
            self._beat.notify_all()

    def _feel(self) -> None:
        known = -1
        connection = _open(self._url)
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                (count,) = connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:
                count = known - 1  # somebody is just writing
            if count != known:
                known = count
                self.beat()
        connection.close()


def _open(url: sa.URL) -> sqlite3.Connection:
    return sqlite3.connect(url.database or "", timeout=0, isolation_level=None, check_same_thread=False)
