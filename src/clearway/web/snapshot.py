"""The overview, computed once for everybody who looks at the same moment.

Rules:
1. One thread computes, the others wait for it: a hundred open pages cost as much as one.
2. It is kept for a second, or as long as it took ten times over, so that a large house does not spend its
   time on looking at itself.
3. It holds everything; what one person may see of it is decided afterwards, for each request.
"""

from __future__ import annotations

import threading
import time

from clearway import releases
from clearway.storage import Database

FRESH_S = 1.0
SHARE = 10.0


class Snapshot:
    """The last overview, and how long it may be shown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._value: releases.Overview | None = None
        self._until = 0.0

    def overview(self) -> releases.Overview:
        """What runs where, at most a moment old."""
        with self._lock:
            if self._value is None or time.monotonic() >= self._until:
                began = time.monotonic()
                with self._database.read() as uow:
                    self._value = releases.overview(uow)
                took = time.monotonic() - began
                self._until = time.monotonic() + max(FRESH_S, took * SHARE)
            return self._value

    def forget(self) -> None:
        """Something was changed from a page: whoever changed it sees it at once."""
        with self._lock:
            self._value = None
