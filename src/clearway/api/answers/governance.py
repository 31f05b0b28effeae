"""Answers about what happened: incidents, figures, the ledger."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from .shapes import DeploymentId, Digest, Paged, Person, Place, Service, Shape, Version, When

IncidentId = Annotated[str, Field(examples=["inc_01jd8kfz3vq4"])]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["5d" * 32])]


class IncidentAction(Shape):
    """Something that a review decided to do."""

    id: Annotated[str, Field(examples=["act_01jd8kfz3vq4"])]
    """Names it."""
    incident_id: IncidentId
    """Of which incident."""
    text: str
    """What is to be done."""
    owner: Person
    """Who sees to it."""
    added_by: Person
    """Who said so."""
    added_at: When
    """When."""
    done_at: When | None
    """When it was done."""
    done_by: Person | None
    """Who said that it was."""


class Incident(Shape):
    """A loss of service."""

    id: IncidentId
    """Names it."""
    service: Service
    """What was lost."""
    environment: Place
    """Where."""
    summary: str
    """What happened, in a line."""
    deployment_id: DeploymentId | None
    """The deployment that caused it."""
    version: Version | None
    """Of that deployment."""
    opened_at: When
    """When it was noticed."""
    opened_by: Person
    """Who noticed: a person, or the system."""
    acknowledged_at: When | None
    """When somebody looked after it."""
    acknowledged_by: Person | None
    """Who."""
    restored_at: When | None
    """When the impact ended."""
    restored_by_deployment: DeploymentId | None
    """What ended it: the same deployment when it went back by itself."""
    resolved_at: When | None
    """When people closed it."""
    resolved_by: Person | None
    """Who."""
    resolution: str
    """What they found."""
    status: Literal["open", "acknowledged", "restored", "resolved"]
    """The furthest it has come."""
    actions: list[IncidentAction]
    """What is to be done."""


class IncidentPage(Paged):
    """A page of incidents."""

    items: list[Incident]
    """Newest first; only of environments that the token may read."""


class TimelineEntry(Shape):
    """One line of an incident's timeline."""

    index: int
    """The ledger's entry."""
    at: When
    """When."""
    actor: Person
    """Who."""
    action: Annotated[str, Field(examples=["deployment.judged"])]
    """What."""
    subject: str
    """To what."""
    text: str
    """In a sentence."""


class IncidentStory(Incident):
    """An incident with its timeline."""

    timeline: list[TimelineEntry]
    """From the ledger, oldest first."""


class Span(Shape):
    """A window of time."""

    model_config = ConfigDict(validate_by_name=True)

    start: Annotated[When, Field(alias="from")]
    """Its beginning."""
    to: When
    """Its end, which is outside."""
    zone: Annotated[str, Field(examples=["Europe/Berlin"])]
    """Whose days are counted."""


class Choices(Shape):
    """What the definitions leave open, and how it was chosen."""

    contained_fails: bool
    """Aborts before user traffic count as failures."""
    rollbacks_are_rework: bool
    """Rollbacks count as rework."""
    percentile: Literal["interpolated", "lower"]
    """How a median between two values is taken."""
    immature_hours: float
    """Younger deployments may still turn out to have failed."""


class Figure(Shape):
    """One figure, with everything needed to argue with it; each adds its own details."""

    name: Annotated[str, Field(examples=["change_lead_time"])]
    """Which."""
    definition: Annotated[str, Field(examples=["change-lead-time/2"])]
    """By which definition."""
    value: float | None
    """The number; null: nothing is behind it."""
    unit: Literal["seconds", "per day", "ratio"]
    """Of what."""
    text: Annotated[str, Field(examples=["2h (median of 14 changes)"])]
    """For people."""
    count: int
    """How many things are behind it."""
    ids: list[str]
    """Which: each opens to its page and its entries."""
    excluded: Annotated[dict[str, int], Field(examples=[{"clock skew": 1}])]
    """What was left out: why, and how many."""


class DoraReport(Shape):
    """The five figures of one service in one environment."""

    service: Service
    """The service."""
    environment: Place
    """The environment."""
    window: Span
    """What was counted."""
    settings: Choices
    """How."""
    figures: dict[str, Figure]
    """By name."""


class DoraReports(Shape):
    """A report for each service and production environment; never blended."""

    reports: list[DoraReport]
    """Each on its own."""


class Dora(RootModel[DoraReport | DoraReports], Shape):
    """One report when a service was named, else one for each."""


class Entry(Shape):
    """Who did what, when, why, to which digest."""

    index: int
    """The place in the log, from 0, without gaps."""
    at: When
    """When, to the microsecond."""
    actor: Person
    """Who."""
    actor_kind: Literal["person", "robot", "system"]
    """What sort of actor."""
    action: Annotated[str, Field(examples=["promotion.approved"])]
    """What."""
    subject: Annotated[str, Field(examples=["promotion:prm_01jd8kfz3vq4"])]
    """To what."""
    reason: str
    """Why, in their words."""
    digest: Digest | None
    """Of what was acted on."""
    data: Any
    """More about it; never a secret."""


class EntryPage(Paged):
    """A page of the ledger."""

    items: list[Entry]
    """Oldest first, unless asked otherwise."""


class Checkpoint(Shape):
    """A signed tree head, and the key that verifies it."""

    origin: str
    """The log's name."""
    size: int
    """Entries that it vouches for."""
    root: Hash
    """The root of their tree."""
    note: str
    """The signed note (C2SP checkpoint): all that a verifier needs."""
    at: When
    """When it was signed."""
    key: Annotated[str, Field(examples=["clearway.example/log+1a2b3c4d+AXJ0…"])]
    """The verifier key."""


class LedgerProblem(Shape):
    """Something that must not be."""

    kind: Annotated[str, Field(examples=["changed", "missing", "cut"])]
    """What sort."""
    first: int | None
    """The first entry concerned."""
    last: int | None
    """The last one."""
    message: str
    """In words."""


class Verification(Shape):
    """What was verified, and everything that is wrong with it."""

    verified: bool
    """Whether nothing is wrong."""
    entries: int
    """How many entries."""
    root: Hash
    """What their tree gives."""
    origin: str
    """The log's name."""
    problems: list[LedgerProblem]
    """What is wrong."""


class InclusionProof(Shape):
    """That an entry is in the log."""

    index: int
    """Of the entry."""
    size: int
    """Entries in the tree that it is proven to be in."""
    entry: str
    """The entry's exact bytes, as text."""
    leaf: Hash
    """The SHA-256 of 0x00 and those bytes."""
    path: list[Hash]
    """The RFC 6962 audit path, leaf side first."""
    root: Hash
    """What the path leads to."""


class ConsistencyProof(Shape):
    """That a log only grew."""

    old: int
    """Entries of the older tree."""
    new: int
    """Entries of the newer one."""
    old_root: Hash
    """The older root."""
    new_root: Hash
    """The newer root."""
    path: list[Hash]
    """The RFC 6962 consistency path."""
