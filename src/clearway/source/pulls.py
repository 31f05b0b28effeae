"""Pull requests (merge requests), as a forge told of them. Pure.

Rule: a forge's word is worth what its signature is worth; who may speak for a repository is decided where
deliveries come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["PullRequest", "State"]

State = Literal["open", "merged", "closed"]


@dataclass(frozen=True)
class PullRequest:
    """One pull request as it stands after the newest event about it."""

    repository: str  # the repository's name in Clearway
    number: int
    title: str
    body: str
    author: str  # the name on the forge
    state: State
    target: str  # the branch it goes to
    head: str  # the branch's newest commit
    url: str
    labels: tuple[str, ...]
    approvers: tuple[str, ...]  # who approved its newest state, as named on the forge
    commits: tuple[str, ...]  # its own commits, oldest first, before a squash or rebase; empty: not told
    updated_at: datetime
    merge_commit: str | None = None  # what the merge, squash or rebase left on the target branch
    merged_by: str = ""
    merged_at: datetime | None = None
