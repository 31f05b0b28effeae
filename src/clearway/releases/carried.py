"""What is known of a commit beyond git: who looked at it, what was built of it, where it went. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from clearway.source import Patch, Signature, Violation

__all__ = [
    "Arrival",
    "Audit",
    "AuditEntry",
    "BuildOf",
    "CommitFacts",
    "CommitPage",
    "Named",
    "PullOf",
    "ReleaseOf",
    "Signed",
    "TicketOf",
]


@dataclass(frozen=True)
class Named:
    """A person as git has them, by the repository's mailmap."""

    name: str
    email: str


@dataclass(frozen=True)
class BuildOf:
    """A build of a commit, or the first one that contains it."""

    id: str
    version: str
    exact: bool  # of this very commit
    at: datetime | None


@dataclass(frozen=True)
class ReleaseOf:
    """A release that contains a commit."""

    id: str
    version: str
    at: datetime


@dataclass(frozen=True)
class Signed:
    """An approval that stands."""

    by: str
    meaning: str
    at: datetime


@dataclass(frozen=True)
class Arrival:
    """How a commit came to an environment, and whether it runs there now."""

    environment: str
    runs: str | None  # the version that runs it there now; None: it does not run there
    promotion: str | None  # the first that brought it; None: longer ago than is looked back
    version: str | None  # which that promotion brought
    at: datetime | None
    approvals: tuple[Signed, ...]  # of that promotion
    picked: str | None = None  # the cherry-pick that runs there in its place


@dataclass(frozen=True)
class PullOf:
    """A pull request that a commit belongs to."""

    number: int
    title: str
    url: str
    state: str  # open, merged, closed
    author: str  # as named on the forge, like all people of it
    approvers: tuple[str, ...]
    merged_by: str
    merged_at: datetime | None


@dataclass(frozen=True)
class TicketOf:
    """A ticket that a commit names."""

    name: str
    url: str  # empty: none is known


@dataclass(frozen=True)
class CommitFacts:
    """One commit of a service, and all that is known of it."""

    sha: str
    subject: str
    body: str
    parents: tuple[str, ...]
    author: Named
    authored_at: datetime
    committer: Named
    committed_at: datetime
    co_authors: tuple[Named, ...]
    reviewers: tuple[str, ...]  # by Reviewed-by lines and the forge's approvals
    pulls: tuple[PullOf, ...]
    tickets: tuple[TicketOf, ...]
    builds: tuple[BuildOf, ...]  # newest first; of a commit that was not built itself, the first with it
    releases: tuple[ReleaseOf, ...]  # that contain it, oldest first; some of them
    release_count: int
    arrivals: tuple[Arrival, ...]  # in the order of the route; only where it was or is


@dataclass(frozen=True)
class AuditEntry:
    """One change to what is audited."""

    how: str  # added, changed, indented, renamed, copied, merged, removed
    path: str  # its name after this commit
    before: str  # the name it came from, when that was another one
    lines: tuple[tuple[int, int], ...]  # those asked for, after this commit: from 1, the last included
    edited: bool  # whether what is asked for was changed; a mere new name changes nothing
    commit: CommitFacts


@dataclass(frozen=True)
class Audit:
    """The changes to a file or to lines of it, newest first."""

    service: str
    path: str
    first: int | None  # line; None: all of the file
    last: int | None
    ref: str  # what was asked for
    commit: str  # as seen from this one
    changes: int  # in all
    ends: str  # why there may be more; empty: that is all
    items: tuple[AuditEntry, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class CommitPage:
    """One commit with its files."""

    service: str
    commit: CommitFacts
    signature: Signature  # by the keys of now
    violations: tuple[Violation, ...]  # of its service's rules, as last judged
    patch: Patch
