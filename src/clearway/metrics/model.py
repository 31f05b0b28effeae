"""What the figures are computed from, and how they are given. Pure.

Every figure carries its definition's name and version, the count behind it, the ids that open it, and what
was left out with the reason. A figure with nothing behind it is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

Outcome = Literal["succeeded", "failed-in-prod", "aborted-before-traffic", "rolled-back"]
Intent = Literal["planned", "rework", "rollback", "config-only", "flag-only"]
INTENTS: tuple[Intent, ...] = ("planned", "rework", "rollback", "config-only", "flag-only")


@dataclass(frozen=True)
class Deployed:
    """One rollout of one release to one service and environment that has ended."""

    id: str
    service: str
    environment: str
    version: str
    outcome: Outcome
    intent: Intent
    finished_at: datetime
    declared_by: str | None = None  # who said what it was for; None: nobody did, and it may be inferred


@dataclass(frozen=True)
class Change:
    """One commit that first reached an environment with a deployment."""

    sha: str
    deployment_id: str
    committed_at: datetime
    merged_at: datetime | None = None  # when it came to the release's line, where that is known
    how: str = ""  # how its time was found, where that is not the commit's own


@dataclass(frozen=True)
class Failure:
    """One incident, as the figures see it."""

    id: str
    deployment_id: str | None  # the cause, where one is known
    detected_at: datetime
    restored_at: datetime | None
    restored_by: str | None = None  # the deployment that ended it


@dataclass(frozen=True)
class Facts:
    """Everything known of one service in one environment."""

    deployments: Sequence[Deployed]  # oldest first; at least six months for the rework rate
    changes: Sequence[Change] = ()
    first: frozenset[str] = frozenset()  # deployments with nothing before them to compare with
    unknown: frozenset[str] = frozenset()  # deployments whose commits cannot be found any more
    failures: Sequence[Failure] = ()
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by deployment: why, how many


@dataclass(frozen=True)
class Window:
    """From and to which production finish counts (to: excluded), and the zone that days are days of."""

    start: datetime
    end: datetime
    zone: str = "UTC"


@dataclass(frozen=True)
class Settings:
    """Choices that the definitions leave open; a report says which were made."""

    contained_fails: bool = False  # aborts before user traffic count as failures
    rollbacks_are_rework: bool = True
    percentile: Literal["interpolated", "lower"] = "interpolated"  # lower: Apache DevLake's median
    immature_hours: float = 24.0  # younger deployments may still turn out to have failed


@dataclass(frozen=True)
class Figure:
    """One number, with everything needed to argue with it."""

    name: str
    definition: str  # such as change-lead-time/2
    value: float | None
    unit: Literal["seconds", "per day", "ratio"]
    text: str  # for people
    count: int  # how many things are behind it
    ids: tuple[str, ...]  # which; each opens to its page and its ledger entries
    excluded: Mapping[str, int] = field(default_factory=dict)  # why -> how many
    detail: Mapping[str, Any] = field(default_factory=dict)  # percentiles, numerator, denominator, series

    def to_json(self) -> dict[str, Any]:
        """For edges, pages and charts."""
        return {
            **{key: value for key, value in vars(self).items() if key not in ("ids", "excluded", "detail")},
            "ids": list(self.ids),
            "excluded": dict(self.excluded),
            **self.detail,
        }


@dataclass(frozen=True)
class Bucket:
    """A day, week or month, and what finished in it; empty ones are there too."""

    start: date
    deployments: int
    ids: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For charts."""
        return {"start": self.start.isoformat(), "deployments": self.deployments, "ids": list(self.ids)}


@dataclass(frozen=True)
class Report:
    """The five figures of one service in one environment."""

    service: str
    environment: str
    window: Window
    settings: Settings
    figures: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """For edges, pages and charts."""
        return {
            "service": self.service,
            "environment": self.environment,
            "window": {
                "from": self.window.start.isoformat(),
                "to": self.window.end.isoformat(),
                "zone": self.window.zone,
            },
            "settings": dict(vars(self.settings)),
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
        }
