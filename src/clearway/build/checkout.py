"""The checkout of a commit, arranged as the surroundings say: how old its files are, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

from .surroundings import Surroundings


def arrange(folder: Path, around: Surroundings) -> None:
    """Age and reorder the files below a folder. Follows no link. Changes nothing in fixed surroundings."""
    if around.file_order == "reversed":
        _reverse(folder)
    if around.file_times_s:
        _age(folder, around.file_times_s)


def settle(folder: Path, epoch: int) -> None:
    """Give everything below a folder one time, whatever was arranged before: for tools that write it down."""
    for here, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            os.utime(os.path.join(here, name), (epoch, epoch), follow_symlinks=False)


def _reverse(folder: Path) -> None:
    """Enter every name anew, the last one first.

    A file system in memory lists what was entered last first; the usual ones on disks list by a hash of the
    name, whatever was first. So who wants another order puts the bench in memory.
    """
    for here, folders, files in os.walk(folder):
        times = os.stat(here)
        for name in sorted([*folders, *files], reverse=True):
            path, aside = os.path.join(here, name), os.path.join(here, ".clearway-aside")
            os.rename(path, aside)
            os.rename(aside, path)
        os.utime(here, ns=(times.st_atime_ns, times.st_mtime_ns))


def _age(folder: Path, seconds: int) -> None:
    for here, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            path = os.path.join(here, name)
            found = os.lstat(path)
            if name not in folders:  # each folder is "." once
                times = (found.st_atime_ns - seconds * 10**9, found.st_mtime_ns - seconds * 10**9)
                os.utime(path, ns=times, follow_symlinks=False)
