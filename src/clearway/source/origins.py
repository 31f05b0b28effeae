"""Where a file came from that its parent commit does not have: renamed, or copied.

Rules, as git has them: the same bytes first; else the file that shares most of its lines with it, at least
half; of equals, the one that kept its name. A file that went away is a rename, one that stayed is a copy.
Copies are looked for where that is cheap: among the files that the same commit changed, and for the same
bytes anywhere in a tree of moderate size. An empty file comes from nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from .repo import Repo

__all__ = ["origin"]

SHARED = 0.5  # of the bytes of the bigger one
MOST_LIKE = 300  # files that are compared line by line
MOST_READ = 32 << 20  # bytes of theirs
MOST_CHANGES = 20_000  # of a commit that is searched at all
MOST_FILES = 20_000  # of a tree that is searched for the same bytes
_FOLDER = 0o040000

_Old = tuple[str, str]  # name, blob


def origin(repo: Repo, parent: str, sha: str, path: str, *, copies: bool) -> tuple[str, bool] | None:
    """The name in the parent that a file of a commit came from, and whether it is a copy; None: it is new."""
    slot = repo.slot(sha, path)
    if slot is None or slot[1] == _FOLDER or slot[1] == 0o160000 or not repo.size(slot[0]):
        return None
    diff = repo.tree_diff(sha, parent)
    if len(diff) > MOST_CHANGES:
        return None
    gone, changed = _candidates(diff)
    if found := _same(gone, slot[0], path) or _like(repo, gone, slot[0], path):
        return found, False
    if not copies:
        return None
    if found := _same(_files(repo, parent), slot[0], path) or _like(repo, changed, slot[0], path):
        return found, True
    return None


def _candidates(diff: Any) -> tuple[list[_Old], list[_Old]]:
    """What a commit took away, and what it changed: names and contents before."""
    gone: list[_Old] = []
    changed: list[_Old] = []
    for each in diff.deltas:
        status, old = each.status_char(), each.old_file
        if status not in "DM" or old.mode == 0o160000:
            continue
        try:
            name = old.raw_path.decode()
        except UnicodeDecodeError:  # a name that nobody could ask for
            continue
        (gone if status == "D" else changed).append((name, str(old.id)))
    return gone, changed


def _files(repo: Repo, sha: str) -> Iterator[_Old]:
    """The files of a commit, as long as there are not too many."""
    left = MOST_FILES
    ahead = [(repo.tree(sha, "."), "")]
    while ahead:
        tree, folder = ahead.pop()
        for each in tree:
            left -= 1
            if left < 0:
                return
            if each.filemode == _FOLDER:
                ahead.append((each, f"{folder}{each.name}/"))
            else:
                yield f"{folder}{each.name}", str(each.id)


def _same(candidates: Iterable[_Old], blob: str, path: str) -> str | None:
    """The candidate with the same bytes; of several, one that kept the file's name."""
    found = [name for name, each in candidates if each == blob]
    return min(found, key=lambda name: (_base(name) != _base(path), name), default=None)


def _like(repo: Repo, candidates: list[_Old], blob: str, path: str) -> str | None:
    """The candidate that shares most with it."""
    if not candidates or len(candidates) > MOST_LIKE or repo.text(blob) is None:
        return None
    size = repo.size(blob)
    best: tuple[float, bool, str] | None = None
    room = MOST_READ
    for name, each in sorted(candidates, reverse=True):
        other = repo.size(each)
        room -= other
        if room < 0 or min(size, other) < SHARED * max(size, other):
            continue
        shared = _shared(_lines(repo, blob), _lines(repo, each)) / max(size, other)
        told = (shared, _base(name) == _base(path), name)
        if shared >= SHARED and (best is None or told[:2] >= best[:2]):
            best = told
    return best[2] if best else None


def _lines(repo: Repo, blob: str) -> Counter[bytes]:
    return _counted(repo.text(blob) or b"")


@lru_cache(maxsize=4)
def _counted(text: bytes) -> Counter[bytes]:
    return Counter(text.splitlines(keepends=True))


def _shared(one: Counter[bytes], other: Counter[bytes]) -> int:
    return sum(len(line) * count for line, count in (one & other).items())


def _base(path: str) -> str:
    return path.rpartition("/")[2]
