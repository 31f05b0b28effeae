"""How much a job has put on the disk: all its files together, not only the largest.

Rule: measuring walks over the whole bench, so it is done when the file system itself tells that enough was
written since the last time, and now and then in case somebody else freed as much.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from clearway.build.ports import Limits

_ANYWAY_S = 10.0
_SHARE = 16  # of what is left of the limit: written since the last time, that is worth a measurement


class Meter:
    """Measures the folders that one job may write to."""

    def __init__(self, folders: Sequence[Path], limits: Limits) -> None:
        self._folders = [str(folder) for folder in folders if folder.is_dir()]
        self._limits = limits
        self._bytes = self._entries = 0
        self._free = self._start = self._look()
        self._at = time.monotonic()

    def exceeded(self, *, last: bool = False) -> bool:
        """Whether the job has more on the disk than it may; `last`: it has ended."""
        if not self._folders:
            return False
        free_bytes, free_entries = self._look()
        written, made = self._free[0] - free_bytes, self._free[1] - free_entries
        enough = (
            written > (self._limits.disk_bytes - self._bytes) // _SHARE
            or made > (self._limits.entries - self._entries) // _SHARE
        )
        if not enough and (last or time.monotonic() - self._at < _ANYWAY_S):
            return False
        self._bytes = _measure(self._folders, self._start[0] - free_bytes)
        self._entries = _measure(self._folders, self._start[1] - free_entries, "--inodes")
        self._free = free_bytes, free_entries
        self._at = time.monotonic()
        return self._bytes > self._limits.disk_bytes or self._entries > self._limits.entries

    def _look(self) -> tuple[int, int]:
        """Bytes and entries that the file systems still have."""
        found: dict[int, tuple[int, int]] = {}
        for folder in self._folders:
            about = os.statvfs(folder)
            found[about.f_fsid] = about.f_bavail * about.f_frsize, about.f_favail
        return sum(each for each, _ in found.values()), sum(each for _, each in found.values())


def _measure(folders: Sequence[str], gone: int, *options: str) -> int:
    """What `du` says, however deep and strangely named: bytes on the disk, a file with two names once.

    Where it may not look, because the job closed a folder, what is `gone` from the disk stands for it.
    """
    words = [
        "env",
        "LC_ALL=C",
        "du",
        "--summarize",
        "--one-file-system",
        "--total",
        "--block-size=1",
        *options,
        "--",
        *folders,
    ]
    done = subprocess.run(words, capture_output=True, check=False)
    lines = done.stdout.splitlines()
    counted = int(lines[-1].split()[0]) if lines else 0
    return max(counted, gone) if b"Permission denied" in done.stderr or not lines else counted
