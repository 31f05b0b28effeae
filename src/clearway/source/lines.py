"""Lines on their way back through a difference of two texts. Pure.

Rules, as `git log -L` has them:
1. Lines that a difference did not touch move by what was added and taken away above them.
2. Lines that it touched become all lines that they replaced: which line came from which, it does not say.
3. Something taken out between two of the lines touches them; at their edge, it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearway.kernel import Invalid

from .model import check_path

__all__ = ["Hunk", "Range", "Ranges", "Spot", "across", "parse_spot", "shared", "union"]

Range = tuple[int, int]  # half open, from 0
Ranges = tuple[Range, ...]  # in order, apart from each other

MOST_LINES = 10_000_000
_LINES = re.compile(r":([0-9]{1,8})(?:-([0-9]{1,8}))?\Z")


@dataclass(frozen=True)
class Spot:
    """A file, or some lines of it."""

    path: str
    first: int | None = None  # from 1; None: all of the file
    last: int | None = None  # included

    def __str__(self) -> str:
        if self.first is None:
            return self.path
        return f"{self.path}:{self.first}" + (f"-{self.last}" if self.last != self.first else "")

    @property
    def ranges(self) -> Ranges | None:
        """The lines as ranges; None: all of the file."""
        return None if self.first is None else ((self.first - 1, self.last or self.first),)


def parse_spot(text: str, line: str = "") -> Spot:
    """PATH, PATH:12 or PATH:10-20; or the lines apart, as `12` or `10-20`. Raises Invalid.

    Only what follows the last colon is a line number, and only when it looks like one.
    """
    path, wanted = text, f":{line}" if line else ""
    if not line and (found := _LINES.search(text)) and found.start():
        path, wanted = text[: found.start()], found[0]
    path = check_path(path.removesuffix("/"))
    if not path:
        raise Invalid("no file is named", expected="a path inside the repository, such as src/shop.py:12")
    if not wanted:
        return Spot(path)
    read = _LINES.match(wanted)
    if read is None:
        raise Invalid(f"{line[:40]!r} are no lines", expected="a line's number, or two as 10-20")
    first, last = int(read[1]), int(read[2] or read[1])
    if not 1 <= first <= last <= MOST_LINES:
        raise Invalid(f"there are no lines {first} to {last}", expected="counted from 1, the smaller first")
    return Spot(path, first, last)


@dataclass(frozen=True)
class Hunk:
    """One place where two texts differ: its lines in the old one and in the new one, half open, from 0."""

    old: Range
    new: Range


def across(ranges: Ranges, hunks: Sequence[Hunk]) -> tuple[Ranges, tuple[Hunk, ...]]:
    """The lines of the new text as lines of the old one, and the differences that touched them."""
    touched = tuple(each for each in hunks if any(_overlap(each.new, wanted) for wanted in ranges))
    kept = [piece for wanted in ranges for piece in _without(wanted, touched)]
    moved = [(start + _moved(start, hunks), end + _moved(start, hunks)) for start, end in kept]
    return union([*moved, *(each.old for each in touched)]), touched


def _overlap(one: Range, other: Range) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _without(wanted: Range, touched: Iterable[Hunk]) -> list[Range]:
    pieces, start = [], wanted[0]
    for each in touched:
        if not _overlap(each.new, wanted):
            continue
        if start < each.new[0]:
            pieces.append((start, each.new[0]))
        start = max(start, each.new[1])
    return [*pieces, (start, wanted[1])] if start < wanted[1] else pieces


def _moved(line: int, hunks: Iterable[Hunk]) -> int:
    """By how many lines a line that was not touched stood elsewhere."""
    before = (each for each in hunks if each.new[1] <= line)
    return sum((each.old[1] - each.old[0]) - (each.new[1] - each.new[0]) for each in before)


def union(ranges: Iterable[Range]) -> Ranges:
    """Ranges in order, joined where they meet; without empty ones."""
    found: list[Range] = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def shared(one: Iterable[Range], other: Iterable[Range]) -> tuple[Range, ...]:
    """What is in both; a place where both have nothing (something was taken out there) counts too."""
    others = tuple(other)
    both = ((max(a[0], b[0]), min(a[1], b[1])) for a in one for b in others)
    kept = (each for each in both if each[0] < each[1] or (each[0] == each[1] and each in others))
    return tuple(sorted(set(kept)))
