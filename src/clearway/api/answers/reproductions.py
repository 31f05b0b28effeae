"""Answers about rebuilding what was built."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .delivery import BuildId
from .shapes import Digest, Paged, Person, Service, Shape, Version, When

ReproductionId = Annotated[str, Field(examples=["rep_01jd8kfz3vq4"])]
Verdict = Literal["identical", "equivalent", "different"]


class RebuiltOutput(Shape):
    """One artifact, and what the rebuild made of it."""

    name: str
    """The file's name."""
    recorded: Digest
    """The artifact's digest."""
    rebuilt: Digest | None
    """What came out this time; null: no such file."""
    verdict: Verdict
    """`identical`: the same bytes; `equivalent`: the same after normalisation."""


class RebuildRun(Shape):
    """One run of the recipe."""

    varied: list[str]
    """What was otherwise."""
    identical: bool
    """Whether all of its artifacts had the recorded bytes."""
    digests: dict[str, Digest]
    """What came out, by name."""
    seconds: float
    """How long it took."""
    error: str | None
    """Why it failed."""


class ReproductionCause(Shape):
    """Why the bytes differ."""

    name: Annotated[str, Field(examples=["umask"])]
    """One word of the table of causes."""
    says: str
    """What happens."""
    fix: str
    """What to do about it."""
    certainty: Literal["shown", "likely"]
    """`shown`: by a rebuild in which only this was otherwise."""
    where: str
    """A place that shows it."""


class ReproductionDifference(Shape):
    """One place where the bytes differ."""

    where: Annotated[str, Field(examples=["shop-1.4.2.whl » shop/__init__.py"])]
    """The file, through its archives."""
    kind: str
    """`content`, `only-first`, `only-second`, `time`, `mode`, `owner`, `order`, `gzip-header`, `compression`,
    `archive`, `stamp`, `consequence`."""
    first: str
    """What the recorded bytes have there."""
    second: str
    """What the rebuilt ones have."""
    lines: list[str]
    """Lines of a text that differ."""
    note: str
    """What else is to be said."""


class ReproductionReport(Shape):
    """What was found out; empty until the end."""

    varied: list[str]
    """What was otherwise in the rebuild that decides."""
    not_varied: dict[str, str]
    """What could not be, with the reason."""
    outputs: list[RebuiltOutput]
    """Every artifact of the build, the one that was asked for first."""
    rebuilds: list[RebuildRun]
    """Every rebuild, in order."""
    causes: list[ReproductionCause]
    """The surest first."""
    differences: list[ReproductionDifference]
    """At most 200."""
    notes: list[str]
    """What of machine and sandbox is not as recorded."""
    diffoscope: str
    """Its report, where it is installed."""


class ReproductionRow(Shape):
    """One attempt to make an artifact's bytes again."""

    id: ReproductionId
    """Names it."""
    digest: Digest
    """The artifact that was asked for."""
    artifact: str
    """Its name."""
    build_id: BuildId
    """The build that made it."""
    service: Service
    """Whose it is."""
    version: Version
    """Of which version."""
    status: Literal["queued", "running", "done", "failed"]
    """How far it is; `failed`: it could not be rebuilt."""
    asked_by: Person
    """Who asked."""
    asked_at: When
    """When they asked."""
    started_at: When | None
    """When a worker took it."""
    finished_at: When | None
    """When it ended."""
    verdict: Verdict | None
    """About the artifact that was asked for."""
    error: str | None
    """Why it could not be rebuilt."""


class Reproduction(ReproductionRow):
    """One attempt, with what was found out."""

    report: ReproductionReport | None
    """Null until it has ended well."""


class ReproductionPage(Paged):
    """A page of attempts."""

    items: list[ReproductionRow]
    """Newest first, without their reports."""


class ReproductionMark(Shape):
    """The newest verdict about one build."""

    version: Version
    """Its version."""
    build_id: BuildId
    """The build."""
    reproduction_id: ReproductionId
    """The attempt."""
    verdict: Verdict | None
    """Null: it could not be rebuilt."""
    at: When
    """When that was found out."""


class Reproducibility(Shape):
    """How many of a service's newest builds came out bit-identical."""

    service: Service
    """The service."""
    share: Annotated[float, Field(ge=0, le=1)] | None
    """Of the last 20 builds that were tried; null: none was."""
    marks: list[ReproductionMark]
    """Those builds, oldest first."""
    over_time: list[tuple[When, float]]
    """The share after each of them."""
