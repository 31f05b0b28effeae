"""What an incident is, and how it may move. Pure.

Rules:
1. Two stamps are kept apart: *restored*, when the impact ended, and *resolved*, when people closed it.
   Figures about recovery use the first.
2. One deployment has at most one incident. An incident without a deployment was declared by a person.
3. A deployment restores what a deployment caused. What people declared without a cause, people restore: a
   deployment that does well there only suggests it.
4. Nothing goes backwards: an incident that was restored never opens again; a new loss is a new incident.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from clearway.kernel import Conflict

Status = Literal["open", "acknowledged", "restored", "resolved"]


@dataclass(frozen=True)
class Action:
    """Something that a review decided to do, so that it does not happen again."""

    id: str
    incident_id: str
    text: str
    owner: str
    added_by: str
    added_at: datetime
    done_at: datetime | None = None
    done_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For edges and pages."""
        return _plain(vars(self))


@dataclass(frozen=True)
class Incident:
    """A loss of service."""

    id: str
    service: str
    environment: str
    summary: str  # what happened, in one line
    deployment_id: str | None  # the deployment that caused it
    version: str | None  # of that deployment
    opened_at: datetime  # when it was noticed: the way back began, or somebody declared it
    opened_by: str
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    restored_at: datetime | None = None  # the impact ended
    restored_by_deployment: str | None = (
        None  # the deployment that ended it: the same one when it went back itself
    )
    resolved_at: datetime | None = None  # people closed it
    resolved_by: str | None = None
    resolution: str = ""  # what people found
    actions: tuple[Action, ...] = ()

    @property
    def status(self) -> Status:
        """The furthest it has come."""
        if self.resolved_at:
            return "resolved"
        if self.restored_at:
            return "restored"
        return "acknowledged" if self.acknowledged_at else "open"

    def to_json(self) -> dict[str, Any]:
        """For edges and pages."""
        plain = _plain({key: value for key, value in vars(self).items() if key != "actions"})
        return {**plain, "status": self.status, "actions": [action.to_json() for action in self.actions]}


@dataclass(frozen=True)
class TimelineEntry:
    """One line of the timeline; `index` opens the ledger entry that it was read from."""

    index: int
    at: datetime
    actor: str
    action: str
    subject: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """For edges and pages."""
        return _plain(vars(self))


def check_open(incident: Incident, what: str) -> None:
    """Raises Conflict when people have closed it already."""
    if incident.resolved_at:
        raise Conflict(
            f"incident {incident.id} was resolved by {incident.resolved_by}; it cannot be {what}",
            todo="Add a note, or declare a new incident.",
        )


def check_resolvable(incident: Incident) -> None:
    """Raises Conflict when it is closed, or when service is not restored yet."""
    check_open(incident, "resolved again")
    if incident.restored_at is None:
        raise Conflict(
            f"service is not restored in incident {incident.id}",
            todo="Roll back or fix forward first, or say that the impact has ended.",
        )


def sentence(action: str, actor: str, reason: str) -> str:
    """A ledger entry as a line of the timeline."""
    room, _, verb = action.partition(".")
    words = f"{room} {verb.replace('-', ' ').replace('_', ' ')}".strip()
    text = f"{words[:1].upper()}{words[1:]} by {actor}"
    return f"{text}: {reason}" if reason else text


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}
