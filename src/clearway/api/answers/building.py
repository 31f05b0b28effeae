"""Answers about how builds are made: what one would do, and what its steps are given."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .delivery import BuildId
from .shapes import Commit, Person, Service, Shape, Version, When


class PlannedStep(Shape):
    """One step of a planned build."""

    name: Annotated[str, Field(examples=["test DB=pg"])]
    """The step, with the values of its matrix."""
    run: list[str]
    """The command."""
    needs: list[str]
    """The steps that come right before."""
    way: Literal["answered", "runs", "skipped", "open"]
    """`open`: whether it runs depends on what an earlier step makes."""
    why: str
    """Why so."""
    build_id: BuildId | None
    """The build that answers it."""
    seconds: float | None
    """How long it took when it ran last; null: it never did."""


class BuildPlan(Shape):
    """What a build would do."""

    service: Service
    """What would be built."""
    ref: str
    """From which branch, tag or commit."""
    commit: Commit
    """Which commit that is now."""
    version: Version
    """Which version it would have."""
    recipe: Annotated[str, Field(examples=["script"])]
    """The kind of build."""
    mode: Annotated[str, Field(examples=["bubblewrap"])]
    """How its commands would be kept apart."""
    steps: list[PlannedStep]
    """In order; empty for a recipe whose steps are its own affair."""
    outputs: list[str]
    """Globs of what would become artifacts."""


class BuildSecret(Shape):
    """That a secret is kept sealed; what it says is never shown."""

    service: Service
    """For the builds of which service."""
    name: Annotated[str, Field(examples=["NPM_TOKEN"])]
    """How steps name it."""
    version: int
    """How often it was set."""
    anywhere: bool
    """Also for what has not landed on the service's branch."""
    set_by: Person
    """Who set it."""
    set_at: When
    """When."""


class BuildSecretList(Shape):
    """The secrets of a service's builds."""

    items: list[BuildSecret]
    """By name."""


class Heads(Shape):
    """The tips of a repository's branches."""

    commits: list[Commit]
    """Each once."""


class Trial(Shape):
    """A commit that was sent without being pushed."""

    ref: Annotated[str, Field(examples=["refs/clearway/trials/1763900000-3f2a9c1d5e7b"])]
    """What to build; kept for a week."""


class Stage(Shape):
    """Something that a build did; its lines in the log have its name."""

    name: Annotated[str, Field(examples=["compile 1"])]
    """Which."""
    within: str | None
    """The stage that it is a part of."""
    needs: list[str]
    """Stages that come right before."""
    state: Literal["running", "succeeded", "failed", "skipped", "cancelled", "interrupted"]
    """How it ended."""
    started_at: When
    """When it began."""
    finished_at: When | None
    """When it ended."""
    seconds: float | None
    """How long it took; null: it runs."""
    code: int | None
    """The exit code of its last command."""
    attempts: int
    """How often it was tried."""
    cached_from: BuildId | None
    """The build that ran it; null: this one did."""


class StageList(Shape):
    """What a build did when."""

    items: list[Stage]
    """In the order in which they began."""


class LogLine(Shape):
    """A line of a log."""

    number: int
    """The first is 1."""
    step: Annotated[str, Field(examples=["compile 1"])]
    """Who wrote it."""
    text: str
    """Its text; of a terminal's orders only those that set colours are in it."""
    bad: bool
    """It was recognised as saying what went wrong."""


class LogLines(Shape):
    """Some lines of a log."""

    lines: list[LogLine]
    """In their order."""
    following: int | None
    """The number of the next line; null: there is none yet."""
    total: int
    """Lines of the whole log, as far as it is written."""


class LogHits(Shape):
    """What a search in a log found."""

    hits: list[LogLine]
    """In their order, without colours."""
    more_after: int | None
    """There is more: ask again for what comes after this line."""


class FailingLines(Shape):
    """The lines that say why a build failed."""

    items: list[LogLine]
    """In their order, with some around them."""
