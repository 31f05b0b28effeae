"""Who holds the database's only writer."""

from __future__ import annotations

import threading

from clearway.storage import Database


class Writers:
    """Stands in for a database's lock of writers, and knows whose it is."""

    def __init__(self, database: Database) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None
        database._writers = self  # type: ignore[assignment]

    def acquire(self, timeout: float = -1) -> bool:
        """As a lock."""
        held = self._lock.acquire(timeout=timeout)
        if held:
            self._owner = threading.get_ident()
        return held

    def release(self) -> None:
        """As a lock."""
        self._owner = None
        self._lock.release()

    @property
    def mine(self) -> bool:
        """Whether the one who asks holds it: others write beside requests, such as that a token was used."""
        return self._owner == threading.get_ident()
