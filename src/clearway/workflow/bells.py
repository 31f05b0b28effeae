"""Bells: who commits work for a queue rings, and the worker looks at once instead of at its next look.

Rules:
1. A ring is a hint. Lost ones (a crash after the commit, a full pipe, another machine) cost one interval.
2. It is given after the commit, or the look would find nothing.
3. Between processes it goes through a named pipe in the home folder, which costs nothing while it is quiet.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

BREATH_S = 0.01  # between two looks: what the first one took must have begun before the second one counts


class Bells:
    """One bell a queue. A process that does not listen rings those of the process that does."""

    def __init__(self, pipe: Path | None = None) -> None:
        self._pipe = pipe
        self._rung: dict[str, threading.Event] = {}
        self._heard: Callable[[], None] = lambda: None
        self._reader: threading.Thread | None = None
        self._open: int | None = None

    def ring(self, queue: str) -> None:
        """There may be work in this queue."""
        if not self._hear(queue) and self._pipe is not None:
            # Nobody listens, or nobody keeps up: then its next look must do.
            with contextlib.suppress(OSError):
                _write(self._pipe, f"{queue}\n".encode())

    def _hear(self, queue: str) -> bool:
        rung = self._rung.get(queue)
        if rung is not None:
            rung.set()
            self._heard()
        return rung is not None

    def listen(self, queues: Iterable[str], heard: Callable[[], None] = lambda: None) -> None:
        """From now on, hear these queues' bells, from this process and from others; `heard` at each."""
        self._heard = heard
        self._rung = {name: threading.Event() for name in queues}
        if self._pipe is None:
            return
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._pipe, 0o600)
        # Open for writing too: then it never ends, however many ringers come and go.
        self._open = os.open(self._pipe, os.O_RDWR | os.O_CLOEXEC)
        if not stat.S_ISFIFO(os.fstat(self._open).st_mode):
            os.close(self._open)
            self._open = None
            return  # somebody put something else there; looking now and then is enough
        self._reader = threading.Thread(target=self._read, name="clearway-bells", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._open is not None  # noqa: S101 - the thread starts after it
        while self._rung:
            for name in os.read(self._open, 4096).decode(errors="replace").split("\n"):
                self._hear(name)

    def of(self, queue: str) -> threading.Event | None:
        """The queue's bell; None when nobody listens to it here."""
        return self._rung.get(queue)

    def hush(self) -> None:
        """Hear nothing any more, and let those go who wait."""
        heard, self._rung = self._rung, {}
        for rung in heard.values():
            rung.set()
        if self._reader is not None and self._open is not None:
            os.write(self._open, b"\n")
            self._reader.join(timeout=5)
            os.close(self._open)
            self._reader = self._open = None


def _write(pipe: Path, data: bytes) -> None:
    descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.write(descriptor, data)
    finally:
        os.close(descriptor)


class Alarm:
    """Stands in for the event that stops a queue's looking, and ends its waits when the bell rings."""

    def __init__(self, stop: threading.Event, bells: Bells, queue: str) -> None:
        self._stop = stop
        self._bell = bells.of(queue)

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._stop.is_set()

    def wait(self, timeout: float) -> bool:
        """Whether to stop, after the bell or the time."""
        if self._bell is None:
            return self._stop.wait(timeout)
        # Not the event's own wait: that one rests until somebody writes.
        if threading.Event.wait(self._stop, min(BREATH_S, timeout)):
            return True
        if not self._bell.wait(timeout - BREATH_S):
            self._stop.wait(0)
        self._bell.clear()
        return self._stop.is_set()
