"""Lets the engine's loops rest while nobody writes to the database.

The engine looks at each queue many times a second, and a look costs about 3 ms of CPU whether or not there
is something. Its loops wait on an event that would end them; there they rest, too, while nothing can be new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from clearway.storage import Pulse

# Work whose beginning nobody writes down is found this late; there should be none.
MOST_S = 2.0
# A flow is written down as ended a moment before its place in the queue is free.
AFTERMATH_S = 1.0


class Rest:
    """Stands for the `wait` of one event."""

    def __init__(self, event: threading.Event, pulse: Pulse) -> None:
        self._event = event
        self._wait = event.wait
        self._pulse = pulse
        self._mine = threading.local()  # several loops wait on one event

    def __call__(self, timeout: float | None = None) -> bool:
        """Wait as the event does; when it did not come, rest."""
        if self._wait(timeout):
            return True
        self._pulse.rest(MOST_S, getattr(self._mine, "looked", 0.0) - AFTERMATH_S)
        self._mine.looked = time.monotonic()
        return self._event.is_set()


def let_rest(events: Iterable[threading.Event], pulse: Pulse) -> None:
    """Whoever waits on one of the events for some time rests after it."""
    for event in events:
        event.wait = Rest(event, pulse)  # type: ignore[method-assign]
