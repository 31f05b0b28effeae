"""Where branches and tags pointed, and what became of them. Pure, but for the question of ancestry.

Rules:
1. What moved is found by comparing what was recorded with what the mirror has, not by what one fetch said: a
   process that dies between fetching and recording loses nothing, the next comparison finds it.
2. A branch that moved to where its old commit is not behind it was *rewritten*. A tag that moved at all was
   too: tags never move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Move = Literal["created", "advanced", "rewritten", "deleted"]


@dataclass(frozen=True)
class RefMove:
    """One branch or tag that is not where it was."""

    ref: str  # refs/heads/main
    old: str | None  # the object it named before
    new: str | None
    kind: Move

    @property
    def takes_back(self) -> bool:
        """Whether commits may have gone out of history by it."""
        return self.kind in ("rewritten", "deleted")


@dataclass(frozen=True)
class RefEntry:
    """A move as it was recorded."""

    id: str
    repository: str
    ref: str
    old: str | None
    new: str | None
    kind: Move
    lost: int  # commits that no branch and no tag reached afterwards
    seen_at: datetime


def moves(
    before: Mapping[str, str], after: Mapping[str, str], is_behind: Callable[[str, str], bool]
) -> tuple[RefMove, ...]:
    """What moved between two looks, by name; `is_behind(old, new)` tells whether new's history has old."""
    found = []
    for ref in sorted(before.keys() | after.keys()):
        old, new = before.get(ref), after.get(ref)
        if old == new:
            continue
        kind: Move = "created" if old is None else "deleted" if new is None else "advanced"
        if old and new and (ref.startswith("refs/tags/") or not is_behind(old, new)):
            kind = "rewritten"
        found.append(RefMove(ref, old, new, kind))
    return tuple(found)
