"""Every change to a file, or to some of its lines: back through commits, merges, renames and copies.

Rules:
1. A merge changed a file only where it holds lines that no parent has. Where one parent has all that is
   asked for, history goes on there, and nowhere else.
2. A file that came under another name is followed: by the same bytes, else by half of its lines.
3. A line that only moved sideways is told as that, and followed: who wrote it is further back.
4. What has no lines (binary, huge, a link, a submodule) is said; its changes as a whole are known.
5. Nothing is run: no filter, no attribute, no text conversion that a repository asks for.
6. It ends: after so many changes, names or seconds it is told what there is, and that there may be more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from clearway.kernel import Invalid, NotFound

from .lines import Hunk, Range, Ranges, Spot, across, shared, union
from .origins import origin
from .repo import MAX_TEXT, Repo

__all__ = ["History", "How", "Touch", "line_history"]

MOST_TOUCHES = 5000
MOST_ORIGINS = 200  # times that it is looked for another name
LONGEST_S = 30.0
SUBMODULE, LINK, FOLDER = 0o160000, 0o120000, 0o040000

How = Literal["added", "changed", "indented", "renamed", "copied", "merged", "removed"]


@dataclass(frozen=True)
class Touch:
    """One commit that did something to it."""

    commit: str
    how: How
    path: str  # its name after this commit
    before: str = ""  # the name it came from, when that was another one
    lines: tuple[tuple[int, int], ...] = ()  # those asked for, after this commit: from 1, last included
    edited: bool = True  # whether what is asked for was changed; a mere new name changes nothing


@dataclass(frozen=True)
class History:
    """The changes to a file or to lines of it, newest first."""

    spot: Spot
    commit: str  # as seen from this one
    touches: tuple[Touch, ...]
    ends: str = ""  # why there may be more; empty: that is all


@dataclass(frozen=True)
class _Way:
    """How it goes on at one parent."""

    parent: str
    path: str
    ranges: Ranges | None  # None: all of the file
    copied: bool = False
    changed: bool = False  # what is asked for differs from this parent's
    places: tuple[Range, ...] | None = None  # where it does; None: everywhere
    indented: bool = False  # in nothing but space


def line_history(repo: Repo, commit: str, spot: Spot) -> History:
    """Every change to a file or lines as they are in a commit. Raises NotFound, Invalid.

    A file that is not there any more has a history too: it begins with the commit that removed it.
    """
    _check(repo, commit, spot)
    try:
        found = _history(repo.path, commit, spot)
    except _OutOfTimeError as error:  # another time it may be faster, so nothing is kept
        found = error.found
    if not found.touches:
        raise NotFound(f"there is no {spot.path} in commit {commit[:12]}, nor before it")
    return found


@lru_cache(maxsize=64)
def _history(mirror: Path, commit: str, spot: Spot) -> History:
    # Commits never change, so neither does what led to one.
    walk = _Walk(Repo(mirror), commit, spot, time.monotonic() + LONGEST_S)
    touches: list[Touch] = []
    for each in walk.touches():
        if len(touches) == MOST_TOUCHES:
            walk.ends = f"only the newest {MOST_TOUCHES} changes are told"
            break
        touches.append(each)
    found = History(spot, commit, tuple(touches), walk.ends)
    if walk.late:
        raise _OutOfTimeError(found)
    return found


class _OutOfTimeError(Exception):
    def __init__(self, found: History) -> None:
        super().__init__(found.ends)
        self.found = found


def _check(repo: Repo, commit: str, spot: Spot) -> None:
    if spot.ranges is None:
        return
    slot = repo.slot(commit, spot.path)
    if slot is None:
        raise NotFound(
            f"there is no {spot.path} in commit {commit[:12]}",
            todo="Ask for the file without a line: its history says who removed or renamed it.",
        )
    if why := _no_lines(repo, slot):
        raise Invalid(f"{spot.path} {why}, so it has no lines", todo="Ask for the file without a line.")
    text = repo.text(slot[0]) or b""
    count = text.count(b"\n") + (not text.endswith(b"\n") and text != b"")
    if spot.last and spot.last > count:
        raise Invalid(f"{spot.path} has {count} lines in commit {commit[:12]}, not {spot.last}")


def _no_lines(repo: Repo, slot: tuple[str, int]) -> str:
    kinds = {SUBMODULE: "is a submodule", LINK: "is a link", FOLDER: "is a folder"}
    if slot[1] in kinds:
        return kinds[slot[1]]
    size = repo.size(slot[0])
    if size > MAX_TEXT:
        return f"has {size} bytes, more than {MAX_TEXT}"
    return "" if repo.text(slot[0]) is not None else "is a binary file"


class _Walk:
    """One walk from the newest commit back; a commit is looked at after all that build on it."""

    def __init__(self, repo: Repo, commit: str, spot: Spot, until: float) -> None:
        self.repo = repo
        self.start = commit
        self.until = until
        self.late = False
        self.ends = ""
        self._origins = 0
        self._asked: dict[str, dict[str, Ranges | None]] = {commit: {spot.path: spot.ranges}}
        self._slots: dict[tuple[str, str], tuple[str, int] | None] = {}

    def touches(self) -> Iterator[Touch]:
        for each in self.repo.walk(self.start, []):
            sha = str(each.id)
            wanted = self._asked.pop(sha, None)
            if wanted is None:
                continue
            parents = [str(parent) for parent in each.parent_ids]
            for path, ranges in wanted.items():
                touch = self._step(sha, parents, path, ranges)
                if touch is not None:
                    yield touch
            for path in wanted:
                self._slots.pop((sha, path), None)
            if not self._asked:
                return
            if time.monotonic() > self.until:
                self.late = True
                self.ends = f"nothing before commit {sha[:12]} was looked at: it would have taken too long"
                return

    def _step(self, sha: str, parents: list[str], path: str, ranges: Ranges | None) -> Touch | None:
        here = self._slot(sha, path)
        if ranges is None or here is None:
            same = next((each for each in parents if self._slot(each, path) == here), None)
            if same is not None:
                self._on(_Way(same, path, ranges))
                return None
        if here is None:
            return self._removed(sha, parents, path, ranges)
        ways: list[_Way] = []
        lines = tuple((start + 1, end) for start, end in ranges or ())
        for each in parents:
            way = self._way(sha, each, path, ranges, here, len(parents))
            if way is not None and not way.changed and (len(parents) > 1 or way.path == path):
                self._on(way)
                return None
            ways += [way] if way else []
        for way in ways:
            self._on(way)
        if len(parents) > 1 and ways:
            return Touch(sha, "merged", path, lines=lines) if _is_new(ways) else None
        if not ways:
            if ranges is None and parents:  # it may have been there once before
                self._on(_Way(parents[0], path, None))
            return Touch(sha, "added", path, lines=lines)
        (way,) = ways
        return Touch(sha, _how(way, path), path, way.path if way.path != path else "", lines, way.changed)

    def _removed(self, sha: str, parents: list[str], path: str, ranges: Ranges | None) -> Touch | None:
        for each in parents:
            self._on(_Way(each, path, ranges))
        return Touch(sha, "removed", path) if parents else None

    def _on(self, way: _Way) -> None:
        """Go on there; what other branches ask for there is joined to it."""
        if way.ranges == ():
            return
        there = self._asked.setdefault(way.parent, {})
        known = there.get(way.path, ())
        there[way.path] = None if known is None or way.ranges is None else union([*known, *way.ranges])

    def _way(
        self, sha: str, parent: str, path: str, ranges: Ranges | None, here: tuple[str, int], parents: int
    ) -> _Way | None:
        """How it goes on at a parent that has not the same; None: it came with this commit."""
        name, copied = path, False
        before = self._slot(parent, path)
        if before is None:
            found = self._origin(sha, parent, path, copies=parents == 1)
            if found is None:
                return None
            name, copied = found
            before = self._slot(parent, name)
        if before is None or (ranges and before[1] in (SUBMODULE, FOLDER)):
            return None
        if before[0] == here[0]:  # another name, or another mode
            return _Way(parent, name, ranges, copied, ranges is None and name == path)
        if before[1] in (SUBMODULE, FOLDER) or here[1] in (SUBMODULE, FOLDER):
            return _Way(parent, name, ranges, copied, True)
        if ranges is None and parents == 1:
            return _Way(parent, name, None, copied, True)
        return self._across(parent, name, ranges, before[0], here[0], copied)

    def _origin(self, sha: str, parent: str, path: str, *, copies: bool) -> tuple[str, bool] | None:
        self._origins += 1
        if self._origins > MOST_ORIGINS:
            self.ends = f"before commit {sha[:12]} no other names were looked for: it had too many"
            return None
        return origin(self.repo, parent, sha, path, copies=copies)

    def _across(
        self, parent: str, name: str, ranges: Ranges | None, old: str, new: str, copied: bool
    ) -> _Way:
        if self.repo.text(old) is None or self.repo.text(new) is None:
            if ranges is None:
                return _Way(parent, name, None, copied, True)
            self.ends = f"up to commit {parent[:12]}, {name} has no lines: it was binary or huge"
            return _Way(parent, name, (), copied, True)
        hunks = _hunks(self.repo, old, new)
        if ranges is None:
            return _Way(parent, name, None, copied, True, tuple(each.new for each in hunks))
        back, touched = across(ranges, hunks)
        if not touched:
            return _Way(parent, name, back, copied)
        # Space aside, most lines are found again one by one, where a re-indented block would become a blur.
        closer, meant = across(ranges, _hunks(self.repo, old, new, spaces=False))
        news = [each.new for each in touched]
        places = shared(news, [*ranges, *(each for each in news if each[0] == each[1])])
        return _Way(parent, name, closer, copied, True, places, not meant)

    def _slot(self, sha: str, path: str) -> tuple[str, int] | None:
        key = (sha, path)
        if key not in self._slots:
            self._slots[key] = self.repo.slot(sha, path)
        return self._slots[key]


def _is_new(ways: list[_Way]) -> bool:
    """Whether a merge holds something that no parent has, or lacks what all of them have."""
    places: tuple[Range, ...] | None = None
    for way in ways:
        if way.places is not None:
            places = way.places if places is None else shared(places, way.places)
    return places is None or bool(places)


def _how(way: _Way, path: str) -> How:
    if way.path == path:
        return "indented" if way.indented else "changed"
    return "copied" if way.copied else "renamed"


def _hunks(repo: Repo, old: str, new: str, *, spaces: bool = True) -> tuple[Hunk, ...]:
    """A unified diff counts from 1, but names the line before where it has none of its own."""
    found = repo.blob_diff(old, new, spaces=spaces)
    return tuple(Hunk(_range(each[0], each[1]), _range(each[2], each[3])) for each in found)


def _range(start: int, count: int) -> tuple[int, int]:
    first = start - 1 if count else start
    return first, first + count
