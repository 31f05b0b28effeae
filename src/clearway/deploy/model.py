"""What a rollout is: the order, its stages, its state, and what runs. Frozen values; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from clearway.catalog import CanaryMetric, Process, StrategySpec
from clearway.kernel import Document

State = Literal["pending", "running", "held", "rolling-back", "succeeded", "rolled-back", "failed"]
Outcome = Literal["succeeded", "rolled-back", "failed", "aborted-before-traffic"]
Phase = Literal["start", "shift", "hold", "drain", "stop"]
Side = Literal["old", "new", "baseline"]
ACTIVE: tuple[State, ...] = ("pending", "running", "held", "rolling-back")
PHASES: tuple[Phase, ...] = ("start", "shift", "hold", "drain", "stop")


class Order(Document):
    """What is to run where, and how it gets there. Holds no secret: those are named by version."""

    service: str
    environment: str
    version: str
    release_digest: str
    bundle_digest: str
    process: Process
    config: dict[str, Any] = Field(default={})
    """The resolved configuration, as `config.Resolved.to_json` gives it."""
    instances: int = Field(default=1, ge=1, le=100)
    strategy: StrategySpec = StrategySpec()
    canary_metrics: tuple[CanaryMetric, ...] = ()
    reason: str = ""
    kind: Literal["rollout", "rollback"] = "rollout"
    port_base: int | None = None

    @property
    def config_digest(self) -> str:
        """The digest of the configuration; empty when there is none."""
        return str(self.config.get("digest", ""))


@dataclass(frozen=True)
class Stage:
    """One step of a strategy, declared: what runs, where traffic goes, how long, judged or not."""

    text: str  # for people
    run: Mapping[Side, int]  # instances wanted at the start; sides left out stay as they are
    weights: Mapping[Side, int]  # per cent of the traffic once they are healthy; empty: nobody is served
    hold: timedelta = timedelta(0)
    judged: bool = False
    stop: Mapping[Side, int] = field(default_factory=dict)  # instances that stay, by side, at the end


@dataclass(frozen=True)
class Step:
    """A stage as a plan shows it."""

    kind: str
    text: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Instance:
    """One process that should run, or should not any more."""

    id: str
    deployment_id: str  # the deployment it belongs to now
    service: str
    environment: str
    side: Literal["main", "baseline"]  # a baseline is a fresh copy of the version before
    version: str
    release_digest: str
    bundle_digest: str
    port: int
    wanted: Literal["running", "draining", "stopped"]
    status: Literal["new", "starting", "healthy", "unhealthy", "dead", "stopped"]
    started_at: datetime
    stop_after: datetime | None = None  # kept warm until then
    pid: int | None = None
    restarts: int = 0
    detail: str = ""

    @property
    def group(self) -> str:
        """The router's name for the instances that are weighted together."""
        return group_of(self.deployment_id, self.side)


def group_of(deployment_id: str, side: str) -> str:
    """The router's cluster for one side of a deployment."""
    return deployment_id if side == "main" else f"{deployment_id}.{side}"


@dataclass(frozen=True)
class Deployment:
    """One rollout of one release to one environment."""

    id: str
    order: Order
    state: State
    previous_id: str | None  # what ran before, and is gone back to
    stage: int
    phase: Phase
    phase_since: datetime
    weights: Mapping[str, int]  # group -> per cent, as the router was told
    traffic_since: datetime | None
    created_at: datetime
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    reason: str  # why it is in this state
    judgement: Mapping[str, Any] | None
    measured: Mapping[str, Any]  # cumulated metrics, see `measure`
    look: int
    revision: int
    wake_at: datetime | None
    going_back: bool = False
    halted: str = ""  # who stopped the line and why; empty: nobody
    actor: str = ""

    @property
    def active(self) -> bool:
        """Whether it still moves."""
        return self.state in ACTIVE

    def to_json(self) -> dict[str, Any]:
        """For edges and pages."""
        stamps = {
            name: getattr(self, name) for name in ("created_at", "started_at", "finished_at", "traffic_since")
        }
        return {
            "id": self.id,
            "service": self.order.service,
            "environment": self.order.environment,
            "version": self.order.version,
            "release_digest": self.order.release_digest,
            "bundle_digest": self.order.bundle_digest,
            "kind": self.order.kind,
            "strategy": self.order.strategy.kind,
            "state": self.state,
            "outcome": self.outcome,
            "stage": self.stage,
            "phase": self.phase,
            "weights": dict(self.weights),
            "reason": self.reason,
            "judgement": dict(self.judgement) if self.judgement else None,
            "previous_id": self.previous_id,
            "revision": self.revision,
            **{name: at.isoformat() if at else None for name, at in stamps.items()},
        }


@dataclass(frozen=True)
class Serving:
    """What serves one service in one environment now, as lists show it."""

    service: str
    environment: str
    deployment_id: str
    version: str
    release_digest: str
    since: datetime
    port: int  # the router's
    instances: tuple[Instance, ...]

    @property
    def health(self) -> Literal["healthy", "degraded", "down"]:
        """From the instances that should run."""
        wanted = [each for each in self.instances if each.wanted == "running" and each.side == "main"]
        good = sum(each.status == "healthy" for each in wanted)
        if wanted and good == len(wanted):
            return "healthy"
        return "degraded" if good else "down"


@dataclass(frozen=True)
class Running(Serving):
    """The same with the whole order, as plans need it."""

    order: Order

    @property
    def bundle_digest(self) -> str:
        """What is installed."""
        return self.order.bundle_digest
