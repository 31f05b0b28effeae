"""Which of many commits have one commit in their history: asked often, answered without walking.

One walk over everything that the tips reach carries the set of tips from each commit to its parents, as a
number with a bit for each tip. Commits with the same set share it, so a history with a thousand releases
keeps about a thousand sets. A question is a search among sorted ids, and one bit.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from .repo import Repo

_ID = 20  # bytes of a commit's id


class Reach:
    """Tips, and what their histories have; never changes, since commits never do."""

    def __init__(self, repo: Repo, tips: Iterable[str]) -> None:
        """One walk. A tip that is not in the mirror has nothing in its history."""
        here = [tip for tip in dict.fromkeys(tips) if repo.holds(tip)]
        self._bit = {tip: 1 << number for number, tip in enumerate(here)}
        self._sets: list[int] = []
        self._ids, self._set_of = self._walk(repo) if self._bit else (b"", array("I"))

    def __len__(self) -> int:
        """How many commits the tips reach together."""
        return len(self._set_of)

    def has(self, tip: str, sha: str) -> bool:
        """Whether the tip's history has the commit, which may be itself; no, for what is none of the tips."""
        return bool(self.tips_with(sha) & self.mark(tip))

    def mark(self, tip: str) -> int:
        """The bit of a tip in `tips_with`; none, for what is none of the tips."""
        return self._bit.get(tip, 0)

    def tips_with(self, sha: str) -> int:
        """The marks of all tips that have the commit in their history, as one number."""
        wanted = bytes.fromhex(sha)
        low, high = 0, len(self._set_of)
        while low < high:
            middle = (low + high) // 2
            if self._ids[middle * _ID : middle * _ID + _ID] < wanted:
                low = middle + 1
            else:
                high = middle
        found = low < len(self._set_of) and self._ids[low * _ID : low * _ID + _ID] == wanted
        return self._sets[self._set_of[low]] if found else 0

    def _walk(self, repo: Repo) -> tuple[bytes, array[int]]:
        known: dict[int, int] = {}  # a set of tips, and where it is kept
        coming = {repo.find(tip).id: bit for tip, bit in self._bit.items()}
        own = dict(coming)
        rows: list[tuple[bytes, int]] = []
        for each in repo.walk_all(self._bit, by_time=False):
            # No commit comes before one that builds on it, so the set is complete by now.
            mine = coming.pop(each.id) | own.get(each.id, 0)
            place = known.get(mine)
            if place is None:
                place = known[mine] = len(self._sets)
                self._sets.append(mine)
            rows.append((each.id.raw, place))
            _pass_on(coming, each, mine)
        rows.sort()
        return b"".join(raw for raw, _ in rows), array("I", [place for _, place in rows])


def _pass_on(coming: dict[Any, int], commit: Any, mine: int) -> None:
    for parent in commit.parent_ids:
        coming[parent] = coming.get(parent, 0) | mine
