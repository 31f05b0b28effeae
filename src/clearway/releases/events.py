"""What releases tell the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Event


@dataclass(frozen=True)
class ReleaseCreated(Event):
    """A release was made."""

    release_id: str
    service: str
    version: str
    digest: str


@dataclass(frozen=True)
class PromotionChanged(Event):
    """A promotion was made, or is in another state."""

    promotion_id: str
    service: str
    environment: str
    version: str
    state: str
    kind: str
    why: str


@dataclass(frozen=True)
class PromotionFinished(Event):
    """A promotion has ended, one way or another."""

    promotion_id: str
    service: str
    environment: str
    version: str
    state: str
    kind: str
    deployment_id: str | None
