"""What incidents tell the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Event


@dataclass(frozen=True)
class IncidentOpened(Event):
    """Service was lost."""

    incident_id: str
    service: str
    environment: str
    deployment_id: str | None


@dataclass(frozen=True)
class IncidentRestored(Event):
    """The impact ended."""

    incident_id: str
    service: str
    environment: str
    deployment_id: str | None


@dataclass(frozen=True)
class IncidentResolved(Event):
    """People closed it."""

    incident_id: str
    service: str
    environment: str
