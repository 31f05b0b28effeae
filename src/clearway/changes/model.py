"""Approvals and change requests, and how a change request writes itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

__all__ = ["Approval", "ChangeFacts", "ChangeRequest", "Risk", "assess", "write_request"]

Level = Literal["low", "medium", "high"]
Status = Literal["open", "approved", "implemented", "backed-out", "failed", "rejected", "cancelled"]
ENDED: frozenset[str] = frozenset({"implemented", "backed-out", "failed", "rejected", "cancelled"})


@dataclass(frozen=True)
class Approval:
    """Somebody's signature under one plan."""

    id: str
    promotion_id: str
    actor: str
    actor_kind: str
    plan_hash: str  # what was signed; another plan makes the approval void
    meaning: str  # what the signature says, such as "reviewed and approved"
    comment: str
    at: datetime
    voided_at: datetime | None = None
    void_reason: str = ""

    @property
    def counts(self) -> bool:
        """Whether the approval still stands."""
        return self.voided_at is None

    def to_json(self) -> dict[str, Any]:
        """The approval as JSON values."""
        return {key: _jsonable(value) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Risk:
    """How dangerous a change is, and why that was said."""

    level: Level
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class ChangeFacts:
    """What a change request is written from; all of it known before anything moves."""

    service: str
    environment: str
    version: str
    replaces: str | None  # the version that runs now
    kind: Literal["rollout", "rollback"]
    production: bool
    emergency: bool  # freezes are overridden
    reason: str
    requested_by: str
    commits: int
    breaking: int
    migrations: tuple[str, ...]
    configuration_changes: tuple[str, ...]  # keys
    strategy: str
    rollback_possible: bool
    rollback_to: str | None
    rollback_why: str
    affected: tuple[str, ...]  # services that depend on this one
    warnings: tuple[str, ...] = ()  # gates that warn


@dataclass(frozen=True)
class ChangeRequest:
    """The record that governs one promotion: why, how dangerous, who is affected, how to go back."""

    id: str
    promotion_id: str
    service: str
    environment: str
    title: str
    kind: Literal["normal", "emergency", "rollback"]
    reason: str
    risk: Risk
    impact: str
    rollback_plan: str
    requested_by: str
    status: Status
    opened_at: datetime
    closed_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The change request as JSON values."""
        return {key: _jsonable(value) for key, value in asdict(self).items()}


def write_request(facts: ChangeFacts, request_id: str, promotion_id: str, at: datetime) -> ChangeRequest:
    """The change request that the facts write by themselves."""
    back = facts.kind == "rollback"
    verb = "Roll back" if back else "Promote"
    kind: Literal["normal", "emergency", "rollback"] = "normal"
    if facts.emergency or back:
        kind = "rollback" if back else "emergency"
    return ChangeRequest(
        request_id,
        promotion_id,
        facts.service,
        facts.environment,
        f"{verb} {facts.service} to {facts.version} in {facts.environment}",
        kind,
        facts.reason,
        assess(facts),
        _impact(facts),
        _rollback_plan(facts),
        facts.requested_by,
        "open",
        at,
    )


def assess(facts: ChangeFacts) -> Risk:
    """The risk with its reasons: each reason is one fact, the level is that of the worst."""
    found: list[tuple[Level, str]] = [("low", f"{_counted(facts.commits, 'commit')} by {facts.strategy}")]
    if not facts.rollback_possible:
        found.append(("high", f"going back is not possible: {facts.rollback_why}"))
    if facts.breaking:
        found.append(("high", f"{_counted(facts.breaking, 'breaking change')}"))
    if facts.emergency:
        found.append(("high", "a freeze is overridden"))
    if facts.migrations:
        found.append(("medium", f"stored data changes: {', '.join(facts.migrations)}"))
    if facts.configuration_changes:
        found.append(("medium", f"configuration changes: {', '.join(facts.configuration_changes)}"))
    if facts.affected:
        found.append(("medium", f"other services depend on it: {', '.join(facts.affected)}"))
    if facts.production and facts.strategy == "recreate":
        found.append(("medium", "the service stops while it is replaced"))
    if facts.commits > 50:
        found.append(("medium", "many changes at once"))
    found += [("medium", f"a gate warns: {warning}") for warning in facts.warnings]
    levels: Sequence[Level] = ("low", "medium", "high")
    worst = max((level for level, _ in found), key=levels.index)
    return Risk(worst, tuple(text for _, text in sorted(found, key=lambda pair: -levels.index(pair[0]))))


def _impact(facts: ChangeFacts) -> str:
    users = "real users" if facts.production else "nobody outside"
    running = f"{facts.replaces} is replaced" if facts.replaces else "nothing runs there yet"
    needed = f"; {', '.join(facts.affected)} depend on it" if facts.affected else ""
    return f"{facts.environment} serves {users}; {running}{needed}."


def _rollback_plan(facts: ChangeFacts) -> str:
    if facts.kind == "rollback":
        return "This is the way back itself."
    if facts.rollback_possible:
        return f"Return to {facts.rollback_to}: {facts.rollback_why}."
    return f"There is no way back: {facts.rollback_why}. Repair forward."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
