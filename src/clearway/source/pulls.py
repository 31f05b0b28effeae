"""Pull requests (merge requests), as a forge told of them. Pure.

Rules:
1. A forge's word is worth what its signature is worth; who may speak for a repository is decided where
   deliveries come in.
2. News arrive in any order, twice, or not at all. Whatever arrived, in whichever order, leaves the same
   facts: the newest event says how a pull request stands, older ones only fill in what it left out; and each
   reviewer's newest verdict counts.
3. An approval is for the commit that was looked at: when the branch goes on, nobody approved the new state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

__all__ = ["PullRequest", "Review", "State", "Verdict", "approvers", "combined"]

State = Literal["open", "merged", "closed"]
Verdict = Literal["approved", "refused", "withdrawn"]


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


@dataclass(frozen=True)
class Review:
    """What one reviewer said of a pull request at one moment."""

    repository: str
    number: int
    reviewer: str  # the name on the forge
    at: datetime
    verdict: Verdict
    commit: str  # what was looked at
    standing: bool = False  # a verdict that holds at this moment; it may have been given on an earlier commit


def approvers(reviews: Iterable[Review], head: str) -> tuple[str, ...]:
    """Who approved the commit that is the branch's newest. At one moment, approving comes before the rest."""
    holds: dict[str, Review] = {}
    for each in sorted(reviews, key=lambda one: (one.at, one.verdict != "approved")):
        before = holds.get(each.reviewer)
        if each.standing and before is not None and before.verdict == each.verdict:
            continue  # it was not given anew: it is for the commit on which it was seen first
        holds[each.reviewer] = each
    given = (each for each in holds.values() if each.verdict == "approved" and each.commit == head)
    return tuple(sorted(each.reviewer for each in given))


def combined(known: PullRequest | None, told: PullRequest) -> PullRequest:
    """How a pull request stands when both were told, in whichever order. Merged is for good."""
    if known is None:
        return told
    newer, older = (known, told) if _is_newer(known, told) else (told, known)
    filled = replace(newer, author=newer.author or older.author, url=newer.url or older.url)
    if newer.head == older.head and not newer.commits:
        filled = replace(filled, commits=older.commits)
    if newer.state == older.state == "merged":
        filled = replace(
            filled,
            merge_commit=newer.merge_commit or older.merge_commit,
            merged_by=newer.merged_by or older.merged_by,
            merged_at=newer.merged_at or older.merged_at,
        )
    return filled


def _is_newer(known: PullRequest, told: PullRequest) -> bool:
    """Whether what is known goes before what was told now."""
    if known.updated_at == told.updated_at:
        return known.state == "merged" != told.state
    return known.updated_at > told.updated_at


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merged pull request says of commits, and no more of it: for histories with thousands."""

    number: int
    approvers: tuple[str, ...]
    commits: tuple[str, ...]
    merge_commit: str | None
