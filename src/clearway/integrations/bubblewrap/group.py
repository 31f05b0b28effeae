"""A control group of the kernel for one job: no more processes than allowed, whoever starts them how fast.

Rule: looking now and then is too late for a job that doubles itself, and the kernel exempts the superuser
from its own limit of processes. So where we are root and the kernel has the controller, each job has a group.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_ROOTS = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
_NUMBERS = itertools.count(1)
_JOIN = 'echo $$ > "$0"/cgroup.procs && exec "$@"'
_PATIENCE_S = 5.0


@contextmanager
def limited(processes: int) -> Iterator[list[str]]:
    """The words before a command that put it into a group of its own; none where there can be no group."""
    root = _root()
    place = None if root is None else root / f"clearway-job-{os.getpid()}-{next(_NUMBERS)}"
    try:
        if place is not None:
            place.mkdir()
            (place / "pids.max").write_text(str(processes))
    except OSError:  # a machine that forbids it: the looks remain
        if place is not None:
            _remove(place)
        place = None
    try:
        yield [] if place is None else ["/bin/sh", "-c", _JOIN, str(place)]
    finally:
        if place is not None:
            _remove(place)


@cache
def _root() -> Path | None:
    """Where groups with a limit of processes can be made."""
    if os.geteuid():
        return None
    for root in _ROOTS:
        named = root / "cgroup.subtree_control"
        with contextlib.suppress(OSError):
            if root.name == "pids" or (named.exists() and "pids" in named.read_text().split()):
                for left in root.glob("clearway-job-*"):  # of workers that were killed
                    with contextlib.suppress(OSError):
                        left.rmdir()
                if root.is_dir():
                    return root
    return None


def _remove(place: Path) -> None:
    """The kernel frees a group a moment after its last process ended."""
    until, pause = time.monotonic() + _PATIENCE_S, 0.0002
    while place.is_dir() and time.monotonic() < until:
        try:
            place.rmdir()
        except OSError:
            time.sleep(pause)
            pause = min(2 * pause, 0.01)  # most often it is a matter of a fraction of a millisecond
