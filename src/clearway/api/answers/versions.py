"""Answers about versions: which one comes next, and releases on their way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .shapes import Commit, Paged, Person, Service, Shape, Version, When


class VersionReason(Shape):
    """One change that decided."""

    commit: Commit | None
    """The commit; null: no commit tells of it."""
    where: Annotated[str | None, Field(examples=["news/12.feature.md"])]
    """The fragment or pull request that tells of it; null: the commit's message does."""
    text: str
    """The change."""


class NextVersion(Shape):
    """What the next version is, and why."""

    service: Service
    """The service."""
    commit: Commit
    """Of which commit."""
    branch: Annotated[str, Field(examples=["main"])]
    """What was asked for: a branch, a tag or a commit."""
    channel: Annotated[str | None, Field(examples=["rc"])]
    """The prerelease channel; null: a final version."""
    version: Version | None
    """The next version; null: nothing that makes one changed."""
    tag: Annotated[str | None, Field(examples=["v1.5.0"])]
    """The tag that it will have."""
    last: Version | None
    """The highest final version that history reaches; null: there is none yet."""
    level: Literal["major", "minor", "patch"] | None
    """What the largest change raises."""
    why: str
    """One sentence."""
    reasons: list[VersionReason]
    """The changes of that level, newest first."""
    changes: int
    """How many changes there are since the last version."""


class WhereRun(Shape):
    """One environment that runs a commit."""

    environment: Annotated[str, Field(examples=["prod"])]
    """The environment."""
    version: Version
    """What runs there."""
    since: When | None
    """From when on every release there had it; null: it is not known."""
    promotion: str | None
    """The promotion that brought it; null: it is not known."""
    picked: Commit | None
    """The cherry-pick that runs there in its place; null: it is there itself."""


class Where(Shape):
    """One commit of one service, and where it runs."""

    service: Service
    """The service."""
    commit: Commit
    """The commit."""
    subject: str
    """The first line of its message."""
    author: str
    """Who wrote it."""
    runs: list[WhereRun]
    """The environments that run it, in the order of the route."""
    missing: list[str]
    """The environments that run something without it."""


class Whereabouts(Shape):
    """Where something runs."""

    subject: str
    """What was asked for."""
    found: list[Where]
    """Each commit that is meant."""


class Cut(Shape):
    """A release on its way: a version, its tag, its build, its manifest."""

    id: Annotated[str, Field(examples=["cut_01jd8kfz3vq4"])]
    """Names it."""
    service: Service
    """What is released."""
    commit: Commit
    """Of which commit."""
    version: Version
    """As which version."""
    tag: Annotated[str, Field(examples=["v1.5.0"])]
    """The annotated tag in its repository."""
    why: str
    """Why this version; once it failed, why it did."""
    state: Literal["tagging", "building", "released", "failed"]
    """How far it is."""
    requested_by: Person
    """Who asked."""
    requested_kind: Literal["person", "robot", "system"]
    """What they are."""
    reason: str
    """Why they asked; the tag says it too."""
    created_at: When
    """When they asked."""
    build_id: str | None
    """The build of the tag."""
    release_id: str | None
    """The release."""
    finished_at: When | None
    """When it ended."""


class CutPage(Paged):
    """A service's releases on their way, and those that arrived."""

    items: list[Cut]
    """Newest first."""
