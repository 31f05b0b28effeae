"""Incidents and the actions of their reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.storage import Instant, UnitOfWork, metadata

from .model import Action, Incident

incidents = sa.Table(
    "incidents_incident",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("deployment_id", sa.Text, unique=True),  # rule 2
    sa.Column("version", sa.Text),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("acknowledged_at", Instant),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("restored_at", Instant),
    sa.Column("restored_by_deployment", sa.Text),
    sa.Column("resolved_at", Instant),
    sa.Column("resolved_by", sa.Text),
    sa.Column("resolution", sa.Text, nullable=False),
    sa.Index("ix_incidents_incident_place", "service", "environment", "restored_at"),
)

actions = sa.Table(
    "incidents_action",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents_incident.id"), nullable=False, index=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("added_by", sa.Text, nullable=False),
    sa.Column("added_at", Instant, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("done_by", sa.Text),
)


def add(uow: UnitOfWork, incident: Incident) -> None:
    """A new incident."""
    values = {key: value for key, value in vars(incident).items() if key != "actions"}
    uow.connection.execute(incidents.insert().values(**values))


def change(uow: UnitOfWork, incident_id: str, **values: Any) -> None:
    """Set columns of one incident."""
    uow.connection.execute(incidents.update().where(incidents.c.id == incident_id).values(**values))


def get(uow: UnitOfWork, incident_id: str) -> Incident | None:
    """One incident with its actions."""
    found = _read(uow, incidents.select().where(incidents.c.id == incident_id))
    return found[0] if found else None


def of_deployment(uow: UnitOfWork, deployment_id: str) -> Incident | None:
    """The incident that a deployment caused."""
    found = _read(uow, incidents.select().where(incidents.c.deployment_id == deployment_id))
    return found[0] if found else None


def unrestored(uow: UnitOfWork, service: str, environment: str | None) -> list[Incident]:
    """Incidents whose impact lasts, oldest first; in every environment when none is named."""
    query = incidents.select().where(incidents.c.service == service, incidents.c.restored_at.is_(None))
    if environment is not None:
        query = query.where(incidents.c.environment == environment)
    return _read(uow, query.order_by(incidents.c.id))


def opened_since(
    uow: UnitOfWork, service: str | None, environment: str | None, since: datetime
) -> list[Incident]:
    """Incidents from an instant on, oldest first: of one place, or of all."""
    query = incidents.select().where(incidents.c.opened_at >= since)
    if service is not None:
        query = query.where(incidents.c.service == service)
    if environment is not None:
        query = query.where(incidents.c.environment == environment)
    return _read(uow, query.order_by(incidents.c.opened_at, incidents.c.id))


def newest(
    uow: UnitOfWork,
    service: str | None,
    environment: str | None,
    lasting: bool,
    before: str | None,
    limit: int,
) -> list[Incident]:
    """Incidents, newest first, before an id."""
    query = incidents.select()
    if service is not None:
        query = query.where(incidents.c.service == service)
    if environment is not None:
        query = query.where(incidents.c.environment == environment)
    if lasting:
        query = query.where(incidents.c.resolved_at.is_(None))
    if before is not None:
        query = query.where(incidents.c.id < before)
    return _read(uow, query.order_by(incidents.c.id.desc()).limit(limit))


def add_action(uow: UnitOfWork, action: Action) -> None:
    """A new action."""
    uow.connection.execute(actions.insert().values(**vars(action)))


def finish_action(uow: UnitOfWork, action: Action) -> None:
    """Keep who finished it, and when."""
    values = {"done_at": action.done_at, "done_by": action.done_by}
    uow.connection.execute(actions.update().where(actions.c.id == action.id).values(**values))


def _read(uow: UnitOfWork, query: sa.Select[Any]) -> list[Incident]:
    found = [Incident(**row._mapping) for row in uow.connection.execute(query)]
    if not found:
        return []
    wanted = [incident.id for incident in found]
    listed: dict[str, list[Action]] = {}
    for row in _actions(uow, wanted):
        listed.setdefault(row.incident_id, []).append(Action(**row._mapping))
    return [replace(incident, actions=tuple(listed.get(incident.id, ()))) for incident in found]


def _actions(uow: UnitOfWork, incident_ids: Sequence[str]) -> Sequence[sa.Row[Any]]:
    query = actions.select().where(actions.c.incident_id.in_(incident_ids)).order_by(actions.c.id)
    return uow.connection.execute(query).all()
