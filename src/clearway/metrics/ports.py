"""What the figures need to know of releases and their commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from clearway.storage import UnitOfWork


@dataclass(frozen=True)
class Arrived:
    """The changes that arrive with a version."""

    changes: tuple[tuple[str, datetime, datetime | None, str], ...]
    """Id, since when it was on its way, when it was merged (None: unknown), how its time was found."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Commits that are no change of their own: why, and how many."""


class History(Protocol):
    """Which commits a version is made of."""

    def commit_of(self, uow: UnitOfWork, service: str, version: str) -> str | None:
        """The commit that a release was built from; None when nobody knows it any more."""

    def arrived(self, uow: UnitOfWork, service: str, exclude: Sequence[str], include: str) -> Arrived:
        """The changes in what `include` has and none of `exclude` has."""


class FakeHistory:
    """A history in memory, for tests: versions to commits, commits to their parents."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], str] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.times: dict[str, datetime] = {}
        self.broken = False

    def add(self, sha: str, at: datetime, *parents: str) -> str:
        """A commit."""
        self.parents[sha], self.times[sha] = parents, at
        return sha

    def commit_of(self, uow: UnitOfWork, service: str, version: str) -> str | None:
        """See History."""
        return self.versions.get((service, version))

    def arrived(self, uow: UnitOfWork, service: str, exclude: Sequence[str], include: str) -> Arrived:
        """See History."""
        if self.broken:
            raise OSError("the mirror is gone")
        gone = {sha for start in exclude for sha in self._reachable(start)}
        new = [sha for sha in self._reachable(include) if sha not in gone]
        return Arrived(tuple((sha, self.times[sha], None, "") for sha in new))

    def _reachable(self, start: str) -> list[str]:
        found, waiting = [], [start]
        while waiting:
            sha = waiting.pop()
            if sha not in found:
                found.append(sha)
                waiting += self.parents[sha]
        return found
