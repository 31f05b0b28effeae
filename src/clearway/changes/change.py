"""Changes: one model, whatever tells of them. Commits, change fragments and pull requests become these. Pure.

Rules:
1. A cherry-pick beside its original counts once. A commit and its revert cancel out.
2. A squashed merge brings as many changes as it lists.
3. What a change raises follows from its type: breaking, feature, fix; everything else is quiet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from clearway.kernel import Level

from .conventional import Conventional, parse, squashed

__all__ = [
    "ORDER",
    "Change",
    "CommitLike",
    "change_from_json",
    "changes_of",
    "picked_from",
    "told_change",
    "without_reverted",
    "without_twins",
]

# Kinds that people who run the service care about, in the order of the page.
HEADINGS: Mapping[str, str] = {
    "feat": "Features",
    "fix": "Fixes",
    "perf": "Performance",
    "security": "Security",
    "revert": "Reverts",
    "refactor": "Inside",
    "docs": "Documentation",
    "test": "Tests",
    "build": "Build",
    "ci": "Build",
    "style": "Inside",
    "chore": "Inside",
}
OTHER = "Other changes"
ORDER = (*dict.fromkeys(HEADINGS.values()), OTHER)
FIXES = frozenset({"fix", "perf", "revert", "security"})

_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{7,64})", re.MULTILINE)
_PICKED = re.compile(r"^\(cherry picked from commit ([0-9a-f]{7,64})\)", re.MULTILINE)


class CommitLike(Protocol):
    """What notes read of a commit; `source.Commit` has it."""

    @property
    def sha(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def parents(self) -> Sequence[str]: ...


Told = TypeVar("Told", bound=CommitLike)


@dataclass(frozen=True, slots=True)
class Change:
    """One change, in words for people."""

    commit: str  # empty when no commit tells of it
    author: str
    heading: str
    scope: str | None
    text: str
    breaking: tuple[str, ...] = ()  # what breaks, in the author's words
    type: str = ""  # as in Conventional Commits: feat, fix, ...; empty: nobody said
    where: str = ""  # what told of it, when not the commit's message: a fragment's path, a pull request
    tickets: tuple[str, ...] = ()  # as the service's documents find them in the message
    reviewers: tuple[str, ...] = ()  # by Reviewed-by lines and the forge's approvals
    pull: int | None = None  # the pull request that brought it

    @property
    def raises(self) -> Level | None:
        """What it raises in a version; None: it is quiet."""
        if self.breaking:
            return "major"
        if self.type == "feat":
            return "minor"
        return "patch" if self.type in FIXES else None

    def to_json(self) -> dict[str, Any]:
        """The change as release notes hold it; what came later is there when it says something."""
        later = {
            "type": self.type,
            "where": self.where,
            "tickets": list(self.tickets),
            "reviewers": list(self.reviewers),
            "pull": self.pull,
        }
        return {
            "commit": self.commit,
            "author": self.author,
            "heading": self.heading,
            "scope": self.scope,
            "text": self.text,
            "breaking": list(self.breaking),
            **{name: value for name, value in later.items() if value},
        }


def change_from_json(value: Mapping[str, Any]) -> Change:
    """The change that `to_json` wrote."""
    lists = {name: tuple(value.get(name, ())) for name in ("breaking", "tickets", "reviewers")}
    return Change(**{**value, **lists})


def told_change(kind: Level | None, text: str, *, where: str, commit: str = "", author: str = "") -> Change:
    """A change that a fragment or a label tells of; `kind` is what it raises, None: nothing."""
    words = {"major": "feat", "minor": "feat", "patch": "fix", None: ""}
    heading = HEADINGS.get(words[kind], OTHER)
    breaking = (text,) if kind == "major" else ()
    return Change(commit, author, heading, None, text, breaking, type=words[kind], where=where)


def picked_from(commit: CommitLike) -> list[str]:
    """The commits that its message says it was picked from."""
    return _PICKED.findall(commit.body) if "cherry picked" in commit.body else []


def without_twins(commits: Sequence[Told]) -> list[Told]:
    """Without cherry-picks whose original is here too."""
    here = [each.sha for each in commits]
    return [each for each in commits if not any(_find(sha, here) for sha in picked_from(each))]


def without_reverted(commits: Sequence[Told]) -> list[Told]:
    """Without the pairs of a commit and the commit that takes it back."""
    here = [each.sha for each in commits]
    gone: set[str] = set()
    for each in commits:  # newest first, so that a revert of a revert gives the first commit back
        if each.sha in gone or "This reverts" not in each.body:
            continue
        for sha in _REVERTS.findall(each.body):
            target = _find(sha, here)
            if target and target != each.sha:
                gone |= {target, each.sha}
    return [each for each in commits if each.sha not in gone]


def _find(short: str, full: Sequence[str]) -> str | None:
    return next((sha for sha in full if sha.startswith(short)), None)


def changes_of(commit: CommitLike) -> list[Change]:
    """What one commit changes: by its message, and by the bullets that a squashed merge left in it."""
    whole = parse(f"{commit.subject}\n\n{commit.body}")
    inner = squashed(commit.body)
    if whole is None and not inner:
        kind = "revert" if _REVERTS.search(commit.body) else ""
        heading = HEADINGS.get(kind, OTHER)
        return [Change(commit.sha, commit.author, heading, None, commit.subject, type=kind)]
    found = [] if whole is None else [_change(commit, whole)]
    told = {whole.description} if whole else set()
    return found + [_change(commit, each) for each in inner if each.description not in told]


def _change(commit: CommitLike, read: Conventional) -> Change:
    heading = HEADINGS.get(read.type, OTHER)
    said = (commit.sha, commit.author, heading, read.scope, read.description, read.breaking_notes)
    return Change(*said, type=read.type)
