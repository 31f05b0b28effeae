"""Answers about promotions and deployments: plans, gates, signatures, rollouts, and what runs where."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .shapes import (
    Commit,
    DeploymentId,
    Digest,
    Json,
    Paged,
    Person,
    Place,
    PromotionId,
    Service,
    Shape,
    Version,
    When,
)

State = Literal[
    "waiting-approval", "waiting-window", "waiting-soak", "held", "deploying",
    "succeeded", "rolled-back", "failed", "refused", "rejected", "cancelled", "superseded",
]  # fmt: skip


class Instance(Shape):
    """One process that should run."""

    id: Annotated[str, Field(examples=["ins_01jd8kfz3vq4"])]
    """Names it."""
    deployment_id: DeploymentId
    """The deployment that it belongs to now."""
    service: Service
    """What it is."""
    environment: Place
    """Where it is."""
    side: Literal["main", "baseline"]
    """A baseline is a fresh copy of the version before, for a canary to be compared with."""
    version: Version
    """What it runs."""
    release_digest: Digest
    """Of that release."""
    bundle_digest: Digest
    """Of the artifact that is installed."""
    port: int
    """Where it listens."""
    wanted: Literal["running", "draining", "stopped"]
    """What it should do."""
    status: Literal["new", "starting", "healthy", "unhealthy", "dead", "stopped"]
    """What it does."""
    started_at: When
    """Since when."""
    stop_after: When | None
    """Kept warm until then."""
    pid: int | None
    """Its process."""
    restarts: int
    """How often it was started again."""
    detail: str
    """What is wrong with it."""


class Moving(Shape):
    """The open promotion that people should look at."""

    promotion: PromotionId
    """Which."""
    state: State
    """How far it is."""
    version: Version
    """Of which version."""
    why: str
    """Why it is in that state."""
    kind: Literal["rollout", "rollback"]
    """Forward or back."""
    deployment: DeploymentId | None
    """What carries it out, once it does."""


class LastPromotion(Shape):
    """How the last promotion to a place ended."""

    promotion: PromotionId
    """Which."""
    state: State
    """How."""
    version: Version
    """Of which version."""


class Cell(Shape):
    """One service in one environment."""

    on_route: bool
    """Whether the service's releases come here at all."""
    version: Version | None
    """What runs."""
    release_digest: Digest | None
    """Of that release."""
    promotion_id: PromotionId | None
    """What brought it."""
    since: When | None
    """Since when."""
    deployment_id: DeploymentId | None
    """What serves it."""
    health: Literal["healthy", "degraded", "down"] | None
    """From the instances that should run."""
    address: Annotated[str | None, Field(examples=["http://127.0.0.1:9100"])]
    """Where the router answers for it."""
    instances: list[Instance]
    """The processes."""
    moving: Moving | None
    """What is under way."""
    last: LastPromotion | None
    """How the last one ended."""


class OverviewRow(Shape):
    """One service."""

    service: Service
    """The service."""
    team: str
    """Who owns it."""
    route: str
    """The route of its releases."""
    environments: dict[str, Cell]
    """By environment."""


class Overview(Shape):
    """What runs where."""

    environments: list[Place]
    """The columns, in the order of pages; only those that the token may read."""
    services: list[OverviewRow]
    """The rows."""


class Verdict(Shape):
    """One gate's answer."""

    gate: Annotated[str, Field(examples=["tests-passed"])]
    """Which gate."""
    answer: Literal["yes", "no", "error"]
    """An error counts as a no."""
    effect: Literal["block", "warn"]
    """Whether a no stops the promotion."""
    reason: str
    """Why the gate exists."""
    would_change: str
    """What would make it a yes."""
    facts: Json
    """Each fact that its rule reads, as it is now."""


class Decision(Shape):
    """All gates' answers."""

    allowed: bool
    """Whether nothing is stopped."""
    verdicts: list[Verdict]
    """In the gates' order."""


class Step(Shape):
    """One thing that a deployment will do."""

    kind: str
    """What sort of thing."""
    text: str
    """In words."""


class ConfigLine(Shape):
    """One key of the configuration that the release will run with."""

    key: str
    """The key."""
    value: str | None
    """As JSON text; null for a secret."""
    secret_version: int | None
    """Which version of the secret."""
    origin: str
    """The layer that says so."""
    before: str | None
    """What runs now; null: it is not there."""
    change: Literal["added", "changed", "same"]
    """The difference in a word."""


class WayBack(Shape):
    """Whether going back will be possible."""

    possible: bool
    """Whether."""
    to_version: Version | None
    """Where to."""
    why: str
    """Why, or why not."""


class Author(Shape):
    """Who wrote a commit."""

    name: str
    """As git has it."""
    email: str
    """As git has it."""


class PlanContent(Shape):
    """Everything that the plan's hash covers, and so every signature under it."""

    kind: Literal["rollout", "rollback"]
    """Forward or back."""
    service: Service
    """What moves."""
    environment: Place
    """Where to."""
    version: Version
    """Which version."""
    commit: Commit
    """Its commit."""
    release_digest: Digest
    """Its release."""
    bundle_digest: Digest
    """What will be installed."""
    artifacts: list[Digest]
    """Everything the release is made of."""
    replaces_version: Version | None
    """What runs there now."""
    replaces_digest: Digest | None
    """That release."""
    steps: list[Step]
    """What will be done."""
    strategy: str
    """How the new version takes over, as JSON text."""
    instances: int
    """How many will run."""
    configuration: list[ConfigLine]
    """What it will run with."""
    configuration_removed: list[str]
    """Keys that run now and will not."""
    environment_digest: Digest
    """Of the environment's declaration."""
    policy_digest: Digest
    """Of its gates."""
    migrations: list[str]
    """Changes of stored data."""
    rollback: WayBack
    """The way back."""
    affected: list[Service]
    """Services that depend on this one, near and far."""
    authors: list[Author]
    """Whose commits are between what runs and what will run: none of them approves."""
    unknown_authors: list[Author] = Field(default=[])
    """Who of them is no user: with any, one approval more is needed."""
    commits: int
    """How many commits."""
    approvals_needed: int
    """How many people must approve."""
    approver_groups: list[str]
    """Of which groups; empty: anybody with the permission."""
    override_freeze: bool
    """Whether it goes in spite of a freeze."""
    port_base: int | None = None
    """The router's port that is wished for; counts where the place has none yet."""


class Window(Shape):
    """What the calendars say."""

    open: bool
    """Whether it may move now."""
    frozen: bool
    """Whether a freeze closes it."""
    reasons: list[str]
    """Why it is closed."""
    next_open: When | None
    """When it opens; null: not within the horizon."""


class Plan(Shape):
    """What a promotion will do, and beside it what is predicted at this moment."""

    hash: Digest
    """Of the content: what approvals are bound to."""
    content: PlanContent
    """What will be done."""
    problems: list[str]
    """Why it cannot run at all."""
    gates: Decision
    """What the gates say now."""
    approvals_needed: int
    """How many people must approve."""
    window: Window
    """What the calendars say now."""
    next_window: When | None
    """When the calendars let it move."""
    rollback: WayBack
    """The way back."""
    expected_s: float | None
    """How long it will take, from earlier ones."""
    breaking: int
    """Breaking changes in it."""
    warnings: list[str]
    """What people should know and nothing is stopped by."""
    waits: list[str] = Field(default=[])
    """The stop of the route where it must do well first."""
    allowed: bool
    """Whether nothing stands against it now."""


class Approval(Shape):
    """Somebody's signature under one plan."""

    id: Annotated[str, Field(examples=["apr_01jd8kfz3vq4"])]
    """Names it."""
    promotion_id: PromotionId
    """Of which promotion."""
    actor: Person
    """Who signed."""
    actor_kind: str
    """person, robot or system."""
    plan_hash: Digest
    """What was signed: another plan makes the approval void."""
    meaning: str
    """What the signature says."""
    comment: str
    """A remark."""
    at: When
    """When."""
    voided_at: When | None
    """When it lost its force."""
    void_reason: str
    """Why."""


class Promotion(Shape):
    """One release going to one environment."""

    id: PromotionId
    """Names it."""
    release_id: str
    """The release."""
    release_digest: Digest
    """Its digest."""
    service: Service
    """What moves."""
    version: Version
    """Which version."""
    environment: Place
    """Where to."""
    state: State
    """How far it is."""
    why: str
    """Why it is in that state, in a sentence."""
    kind: Literal["rollout", "rollback"]
    """Forward or back."""
    plan: Plan
    """What it will do; what was predicted is of the moment when it was planned."""
    plan_hash: Digest
    """What to sign."""
    requested_by: Person
    """Who asked."""
    requested_kind: str
    """person, robot or system."""
    reason: str
    """Why they asked."""
    override_freeze: bool
    """Whether it goes in spite of a freeze."""
    created_at: When
    """When they asked."""
    approvals: list[Approval]
    """Every signature, void ones too."""
    gates: Decision | Annotated[dict[str, Any], Field(max_length=0)]
    """What the gates said last; empty before they were asked."""
    deployment_id: DeploymentId | None
    """What carries it out, once it does."""
    started_at: When | None
    """When the deployment began."""
    finished_at: When | None
    """When it ended."""
    wake_at: When | None
    """When it is looked at next, if no event comes before."""
    revision: int
    """Counts its changes."""
    replaces_digest: Digest | None
    """The release that ran when the plan was made."""


class PromotionPage(Paged):
    """A page of promotions."""

    items: list[Promotion]
    """Newest first; only of environments that the token may read."""


class Risk(Shape):
    """How dangerous a change is."""

    level: Literal["low", "medium", "high"]
    """That of its worst reason."""
    reasons: list[str]
    """Why that was said."""


class ChangeRequest(Shape):
    """The record that governs one promotion."""

    id: Annotated[str, Field(examples=["chg_01jd8kfz3vq4"])]
    """Names it."""
    promotion_id: PromotionId
    """The promotion."""
    service: Service
    """What changes."""
    environment: Place
    """Where."""
    title: str
    """In a line."""
    kind: Literal["normal", "emergency", "rollback"]
    """What sort of change."""
    reason: str
    """Why."""
    risk: Risk
    """How dangerous it is."""
    impact: str
    """Who is affected."""
    rollback_plan: str
    """How to go back."""
    requested_by: Person
    """Who asked."""
    status: Literal["open", "approved", "implemented", "backed-out", "failed", "rejected", "cancelled"]
    """How far it is."""
    opened_at: When
    """When it was written."""
    closed_at: When | None
    """When it ended."""


class Judgement(Shape):
    """What the judge of a canary said; each judge adds its own statistics."""

    verdict: Annotated[str, Field(examples=["pass", "fail", "inconclusive"])]
    """The answer."""
    reason: str
    """Why, in a sentence."""


class Deployment(Shape):
    """One rollout of one release to one environment."""

    id: DeploymentId
    """Names it."""
    service: Service
    """What rolls out."""
    environment: Place
    """Where."""
    version: Version
    """Which version."""
    release_digest: Digest
    """Its release."""
    bundle_digest: Digest
    """What is installed."""
    kind: Literal["rollout", "rollback"]
    """Forward or back."""
    strategy: Literal["recreate", "rolling", "blue-green", "canary"]
    """How it takes over."""
    state: Literal["pending", "running", "held", "rolling-back", "succeeded", "rolled-back", "failed"]
    """How far it is."""
    outcome: Literal["succeeded", "rolled-back", "failed", "aborted-before-traffic"] | None
    """How it ended."""
    stage: int
    """Which of its stages it walks, from 0."""
    phase: Literal["start", "shift", "hold", "drain", "stop"]
    """Where in the stage."""
    weights: Annotated[dict[str, int], Field(examples=[{"dep_01jd8kfz3vq4": 25, "dep_01jc2": 75}])]
    """The traffic of each group of instances, in per cent."""
    reason: str
    """Why it is in this state."""
    judgement: Judgement | None
    """What the judge said last."""
    previous_id: DeploymentId | None
    """What ran before, and is gone back to."""
    revision: int
    """Counts its changes."""
    created_at: When
    """When it was ordered."""
    started_at: When
    """When it began."""
    finished_at: When | None
    """When it ended."""
    traffic_since: When | None
    """When users first reached it."""


class DeploymentPage(Paged):
    """A page of deployments."""

    items: list[Deployment]
    """Newest first; only of environments that the token may read."""


class StagedDeployment(Deployment):
    """A deployment with its stages."""

    stages: Annotated[list[str], Field(examples=[["10 % to 1.4.2", "all to 1.4.2"]])]
    """What it walks, in words; `stage` counts into them."""


class Deployments(Shape):
    """Deployments that something was done to."""

    items: list[Deployment]
    """Each as it is now."""


class Sample(Shape):
    """What was measured at one moment; nothing of a side that nobody measured."""

    at: When
    """When."""
    canary: dict[str, float | None] = Field(default={})
    """Each metric of the new version."""
    baseline: dict[str, float | None] = Field(default={})
    """Each metric of the version before."""
    weights: dict[str, int]
    """The traffic of each group, in per cent."""
    stage: int
    """The stage it was in."""


class Series(Shape):
    """What was measured during a rollout."""

    items: list[Sample]
    """Oldest first."""
