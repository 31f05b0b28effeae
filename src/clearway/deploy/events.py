"""What deploy tells the rooms above."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearway.kernel import Event

from .model import Outcome


@dataclass(frozen=True)
class _Deployment(Event):
    deployment_id: str
    service: str
    environment: str
    version: str


@dataclass(frozen=True)
class DeploymentStarted(_Deployment):
    """A rollout began."""


@dataclass(frozen=True)
class TrafficMoved(_Deployment):
    """The router was told, and confirmed."""

    weights: Mapping[str, int]


@dataclass(frozen=True)
class JudgementMade(_Deployment):
    """The judge spoke."""

    judgement: Mapping[str, Any]


@dataclass(frozen=True)
class DeploymentGoingBack(_Deployment):
    """It went wrong, and the way back began."""

    reason: str
    reached_traffic: bool


@dataclass(frozen=True)
class DeploymentFinished(_Deployment):
    """It ended; after a way back, what ran before is healthy again."""

    outcome: Outcome
    reason: str
    reached_traffic: bool
    kind: str  # rollout or rollback


@dataclass(frozen=True)
class ServingAgain(_Deployment):
    """After a way back that failed, what ran before got well by itself, and has all traffic again."""
