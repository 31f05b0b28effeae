"""What a job left in its bench, read without trusting a single name in it.

Rules:
1. A job may put a link wherever it may write: a folder in the middle of a path, the outputs' own folder, a
   file that we expect. So every part of a path is opened from its parent, and a link is refused.
2. Only plain files count; a pipe or a device would keep us waiting.
3. What is read into memory has a limit.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from .model import BuildFailed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not block the open
_MAGIC = re.compile(r"[*?\[]")


@contextmanager
def folder(bench: Path, name: str) -> Iterator[int]:
    """A descriptor of the folder `name` below the bench. Raises BuildFailed for a link, FileNotFoundError."""
    held = os.open(bench, _FOLDER)
    try:
        for part in PurePosixPath(name).parts:
            below = _open(part, _FOLDER, held, name)
            os.close(held)
            held = below
        yield held
    finally:
        os.close(held)


@contextmanager
def file(bench: Path, name: str) -> Iterator[IO[bytes]]:
    """The plain file `name` below the bench, open for reading. Raises BuildFailed, FileNotFoundError."""
    path = PurePosixPath(name)
    with folder(bench, str(path.parent)) as held:
        found = _open(path.name, _FILE, held, name)
    with os.fdopen(found, "rb") as stream:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise BuildFailed(f"the output {name} is not a plain file")
        yield stream


def _open(part: str, flags: int, held: int, name: str) -> int:
    if part == "..":
        raise BuildFailed(f"{name} leaves the bench")
    try:
        return os.open(part, flags, dir_fd=held)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise BuildFailed(f"the output {name} is not a plain file, or lies behind a link") from error
        raise


def read_text(bench: Path, name: str, most: int) -> str:
    """A small text file. Raises BuildFailed when it is longer or no text."""
    with file(bench, name) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise BuildFailed(f"{name} is longer than {most} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BuildFailed(f"{name} is not a text") from error


def copy(bench: Path, name: str, target: Path, most: int | None = None) -> None:
    """A plain file of the bench, copied to where no job can write. Raises BuildFailed for a longer one."""
    with file(bench, name) as stream, target.open("xb") as kept:
        if most is not None and os.fstat(stream.fileno()).st_size > most:
            raise BuildFailed(f"{name} is longer than {most} bytes")
        shutil.copyfileobj(stream, kept, 1 << 20)


def match(bench: Path, root: str, glob: str) -> list[str]:
    """Paths below `root`, a folder of the bench, that the glob matches, sorted; links too, folders not.

    `*`, `?` and `[...]` stay within a name, `**` is any number of folders. Raises BuildFailed.
    """
    parts = PurePosixPath(glob).parts
    fixed = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    above = "/".join(parts[:fixed])
    found: list[str] = []
    try:
        with folder(bench, f"{root}/{above}") as held:
            for here, _, files, _ in os.fwalk(".", dir_fd=held):
                inner = here[2:]
                found += [f"{inner}/{each}" if inner else each for each in files]
    except FileNotFoundError:
        return []
    except (RecursionError, OSError) as error:
        raise BuildFailed(f"the folders below {root} cannot be walked: {error}") from error
    return sorted(
        f"{above}/{each}" if above else each
        for each in found
        if fits(PurePosixPath(each).parts, parts[fixed:])
    )


def fits(path: tuple[str, ...], glob: tuple[str, ...]) -> bool:
    """Whether the parts of a path match the parts of a glob; in time proportional to their product."""
    reached = {0}  # how much of the glob the parts so far may have used
    for part in path:
        reached = _closed(reached, glob)
        reached = {
            at if glob[at] == "**" else at + 1
            for at in reached
            if at < len(glob) and (glob[at] == "**" or fnmatchcase(part, glob[at]))
        }
    return len(glob) in _closed(reached, glob)


def _closed(reached: set[int], glob: tuple[str, ...]) -> set[int]:
    """With the places that are reached because `**` may stand for no folder."""
    found = set(reached)
    for at in range(len(glob)):
        if at in found and glob[at] == "**":
            found.add(at + 1)
    return found
