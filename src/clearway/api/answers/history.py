"""Answers about history: who changed what, and what became of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .shapes import Commit, Paged, Person, Place, PromotionId, Service, Shape, Version, When
from .source import Violation

Path = Annotated[str, Field(examples=["src/shop/prices.py"])]


class NamedPerson(Shape):
    """A person as git has them, by the repository's mailmap."""

    name: str
    """The name."""
    email: str
    """The address."""


class PullOf(Shape):
    """A pull request that a commit belongs to, as the forge told of it."""

    number: int
    """Its number."""
    title: str
    """Its title."""
    url: str
    """Its address; empty: none was told."""
    state: Literal["open", "merged", "closed"]
    """How it stands."""
    author: str
    """Who opened it, as named on the forge."""
    approvers: list[str]
    """Who approved its newest state."""
    merged_by: str
    """Who merged it; empty: nobody yet, or it was not told."""
    merged_at: When | None
    """When it was merged."""


class TicketOf(Shape):
    """A ticket that a commit names."""

    name: Annotated[str, Field(examples=["SHOP-12"])]
    """The ticket."""
    url: str
    """Its address; empty: none is known."""


class BuildOf(Shape):
    """A build of a commit, or the first one that contains it."""

    id: Annotated[str, Field(examples=["bld_01jd8kfz3vq4"])]
    """Names it."""
    version: Version
    """What it made."""
    exact: bool
    """Whether it is of this very commit."""
    at: When | None
    """When it ended."""


class ReleaseOf(Shape):
    """A release that contains a commit."""

    id: Annotated[str, Field(examples=["rel_01jd8kfz3vq4"])]
    """Names it."""
    version: Version
    """Its version."""
    at: When
    """When it was made."""


class SignedApproval(Shape):
    """An approval that stands."""

    by: Person
    """Who gave it."""
    meaning: str
    """What the signature says."""
    at: When
    """When."""


class Arrival(Shape):
    """How a commit came to an environment, and whether it runs there now."""

    environment: Place
    """The environment."""
    runs: Version | None
    """The version that runs it there now; null: it does not run there."""
    promotion: PromotionId | None
    """The first promotion that brought it; null: longer ago than is looked back."""
    version: Version | None
    """Which version that promotion brought."""
    at: When | None
    """When it was there."""
    approvals: list[SignedApproval]
    """The approvals of that promotion."""
    picked: Commit | None
    """The cherry-pick that runs there in its place; null: it runs itself."""


class CommitFacts(Shape):
    """One commit of a service, and what is known of it."""

    sha: Commit
    """The commit."""
    subject: str
    """The first line of its message."""
    body: str
    """The rest of its message."""
    parents: list[Commit]
    """What it builds on; two or more: a merge."""
    author: NamedPerson
    """Who wrote it."""
    authored_at: When
    """When, as the author's machine said."""
    committer: NamedPerson
    """Who applied, rebased or merged it."""
    committed_at: When
    """When, as the committer's machine said."""
    co_authors: list[NamedPerson]
    """By Co-authored-by lines."""
    reviewers: list[str]
    """By Reviewed-by lines, and by approvals of its merged pull requests."""
    pulls: list[PullOf]
    """The pull requests that it belongs to."""
    tickets: list[TicketOf]
    """The tickets that its message names."""
    builds: list[BuildOf]
    """Its builds, newest first; when it was not built itself, the first build that contains it."""
    releases: list[ReleaseOf]
    """The first releases that contain it, oldest first."""
    release_count: int
    """How many releases contain it."""
    arrivals: list[Arrival]
    """Where it runs or ran, in the order of the route; only environments that may be seen."""


class AuditEntry(Shape):
    """One change to what is audited."""

    how: Literal["added", "changed", "indented", "renamed", "copied", "merged", "removed"]
    """What was done; indented: nothing but space changed."""
    path: Path
    """The file's name after this commit."""
    before: str
    """The name that it came from; empty: the same."""
    lines: list[list[int]]
    """The lines asked for as they stood after this commit: first and last, counted from 1."""
    edited: bool
    """Whether what is asked for changed; a mere new name changes nothing."""
    commit: CommitFacts
    """The commit."""


class Audit(Paged):
    """The changes to a file, or to lines of it."""

    service: Service
    """The service."""
    path: Path
    """The file or folder."""
    first: int | None
    """The first line; null: all of the file."""
    last: int | None
    """The last line."""
    ref: Annotated[str, Field(examples=["main"])]
    """What was asked for."""
    commit: Commit
    """As seen from this commit."""
    changes: int
    """How many changes there are in all."""
    ends: str
    """Why there may be more; empty: that is all."""
    items: list[AuditEntry]
    """Newest first."""


class FileChange(Shape):
    """One file that a commit changed."""

    path: Path
    """The file."""
    how: Literal["added", "changed", "removed", "renamed", "copied"]
    """What was done to it."""
    before: str
    """Its name before, when it was another one."""
    additions: int | None
    """Lines that came; null: it has none, or it was not compared."""
    deletions: int | None
    """Lines that went."""
    note: str
    """Why it has no lines, or why its difference is not whole."""
    text: str
    """The difference, from the first `@@` on."""


class CommitPatch(Shape):
    """What a commit changed."""

    parent: Commit | None
    """What it is compared with: its first parent; null: with nothing."""
    files: list[FileChange]
    """By path; not all of a huge commit."""
    total: int
    """How many files it changed."""
    additions: int
    """Lines that came, in the files that are here."""
    deletions: int
    """Lines that went."""


class CommitSignature(Shape):
    """What a commit's signature is worth."""

    state: Literal["good", "unknown key", "bad", "unsigned", "cannot be checked"]
    """Only a good one, by a key that a user declares, names somebody."""
    by: str
    """The user whose key it is; empty unless it is good."""
    why: str
    """In words, unless it is good."""


class CommitPage(Shape):
    """One commit with its files."""

    service: Service
    """The service."""
    commit: CommitFacts
    """The commit."""
    signature: CommitSignature
    """What its signature is worth, by the keys that users declare now."""
    violations: list[Violation]
    """What the rules of the service's branches do not want of it, as last judged."""
    patch: CommitPatch
    """What it changed."""
