"""Commits and their notes, without a repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clearway.changes import Notes, make_notes


@dataclass(frozen=True)
class Commit:
    """What notes read of a commit."""

    sha: str
    subject: str
    body: str = ""
    author: str = "Ada"
    parents: tuple[str, ...] = ("p",)


def sha(number: int) -> str:
    """A commit's id."""
    return f"{number:040x}"


def notes(*commits: Commit, **more: Any) -> Notes:
    """What these commits, newest first, bring."""
    return make_notes("shop", "1.1.0", "c" * 40, commits, **more)
