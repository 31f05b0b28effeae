"""The overview, computed once for everybody who looks at the same moment.

Rules:
1. One thread computes: a hundred open pages cost as much as one.
2. It is fresh for a second, or as long as it took ten times over, so that a large house does not spend its
   time on looking at itself.
3. Nobody waits for a look that is hardly out of date: for as long again, the last one is shown while another
   thread computes the next. After that, and after a change from a page, whoever asks waits for a new one.
4. It holds everything; what one person may see of it is decided afterwards, for each request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from clearway import releases
from clearway.storage import Database

FRESH_S = 1.0
SHARE = 10.0

log = structlog.get_logger("clearway.web")


class Snapshot:
    """The last overview, and how long it may be shown."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
        beside: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._beside = beside or _in_a_thread
        self._computing = threading.Lock()
        self._state = threading.Lock()
        self._value: releases.Overview | None = None
        self._fresh_until = self._shown_until = 0.0
        self._changes = 0
        self._renewing = False

    def overview(self) -> releases.Overview:
        """What runs where, at most a moment old."""
        with self._state:
            value, now = self._value, self._clock()
            if value is not None and now < self._fresh_until:
                return value
            late = value is None or now >= self._shown_until
            renew = not late and not self._renewing
            self._renewing = self._renewing or renew
        if renew:
            self._beside(self._renew)
        return self._computed() if late or value is None else value

    def forget(self) -> None:
        """Something was changed from a page: whoever changed it sees it at once."""
        with self._state:
            self._value = None
            self._changes += 1

    def _computed(self) -> releases.Overview:
        with self._computing:
            with self._state:
                if self._value is not None and self._clock() < self._fresh_until:
                    return self._value  # somebody else computed it while this one waited
                changes = self._changes
            began = self._clock()
            with self._database.read() as uow:
                value = releases.overview(uow)
            now = self._clock()
            with self._state:
                if changes == self._changes:  # else it may miss the change that was made meanwhile
                    self._value = value
                    held = max(FRESH_S, (now - began) * SHARE)
                    self._fresh_until, self._shown_until = now + held, now + 2 * held
            return value

    def _renew(self) -> None:
        try:
            self._computed()
        except Exception:  # the next one who asks computes it themselves, and is told what is wrong
            log.exception("the overview could not be renewed")
        finally:
            with self._state:
                self._renewing = False


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="clearway-overview", daemon=True).start()
