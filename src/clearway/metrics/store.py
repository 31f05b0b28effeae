"""Deployments that ended, and the commits that first reached an environment with each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import Change, Deployed

deployments = sa.Table(
    "metrics_deployment",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("intent", sa.Text, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("declared_by", sa.Text),  # of the intent
    sa.Column("commit", sa.Text),  # known once its changes are counted
    sa.Column("first", sa.Boolean, nullable=False, default=False),  # nothing before it to compare with
    sa.Column("counted", sa.Boolean, nullable=False),
    sa.Column("left_out", Json, nullable=False, server_default="{}"),  # commits: why, and how many
    sa.Index("ix_metrics_deployment_place", "service", "environment", "finished_at"),
)

changes = sa.Table(
    "metrics_change",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("sha", sa.Text, primary_key=True),  # a commit first reaches an environment once
    sa.Column("deployment_id", sa.Text, nullable=False, index=True),
    sa.Column("committed_at", Instant, nullable=False),
    sa.Column("merged_at", Instant),
    sa.Column("how", sa.Text, nullable=False, server_default=""),
)

Place = tuple[str, str]
"""A service and an environment."""

_FIELDS = ("id", "service", "environment", "version", "outcome", "intent", "finished_at", "declared_by")


def add(uow: UnitOfWork, deployed: Deployed, *, counted: bool) -> bool:
    """Keep a deployment; False when it is known already."""
    if row(uow, deployed.id) is not None:
        return False
    uow.connection.execute(deployments.insert().values(**vars(deployed), counted=counted, first=False))
    return True


def row(uow: UnitOfWork, deployment_id: str) -> sa.Row[Any] | None:
    """One deployment's row."""
    return uow.connection.execute(deployments.select().where(deployments.c.id == deployment_id)).first()


def deployed(found: sa.Row[Any]) -> Deployed:
    """A row as a value."""
    return Deployed(**{name: getattr(found, name) for name in _FIELDS})


def since(uow: UnitOfWork, moment: datetime, place: Place | None = None) -> Sequence[sa.Row[Any]]:
    """Rows from an instant on, oldest first: of one service in one environment, or of all."""
    query = deployments.select().where(*_from(moment, place))
    return uow.connection.execute(query.order_by(deployments.c.finished_at, deployments.c.id)).all()


def versions_before(uow: UnitOfWork, found: sa.Row[Any]) -> list[str]:
    """Versions that had succeeded at the same place before this deployment."""
    earlier = sa.or_(
        deployments.c.finished_at < found.finished_at,
        sa.and_(deployments.c.finished_at == found.finished_at, deployments.c.id < found.id),
    )
    query = (
        sa.select(deployments.c.version)
        .where(
            deployments.c.service == found.service,
            deployments.c.environment == found.environment,
            deployments.c.outcome == "succeeded",
            earlier,
        )
        .distinct()
    )
    return list(uow.connection.scalars(query))


def changes_since(uow: UnitOfWork, moment: datetime, place: Place | None = None) -> list[Change]:
    """The commits that first arrived with the deployments from an instant on."""
    query = (
        sa.select(
            changes.c.sha,
            changes.c.deployment_id,
            changes.c.committed_at,
            changes.c.merged_at,
            changes.c.how,
        )
        .join(deployments, deployments.c.id == changes.c.deployment_id)
        .where(*_from(moment, place))
        .order_by(changes.c.sha)
    )
    return [Change(*each) for each in uow.connection.execute(query).all()]


def _from(moment: datetime, place: Place | None) -> list[sa.ColumnElement[bool]]:
    wanted = [deployments.c.finished_at >= moment]
    if place is not None:
        wanted += [deployments.c.service == place[0], deployments.c.environment == place[1]]
    return wanted


def keep_changes(
    uow: UnitOfWork,
    found: sa.Row[Any],
    commit: str | None,
    first: bool,
    arrived: Iterable[Change],
    left_out: Mapping[str, int],
) -> None:
    """The outcome of counting a deployment's commits; what arrived earlier stays where it was."""
    place = (changes.c.service == found.service) & (changes.c.environment == found.environment)
    here = set(uow.connection.scalars(sa.select(changes.c.sha).where(place)))
    rows = [
        {
            "service": found.service,
            "environment": found.environment,
            "sha": change.sha,
            "deployment_id": found.id,
            "committed_at": change.committed_at,
            "merged_at": change.merged_at,
            "how": change.how,
        }
        for change in arrived
        if change.sha not in here
    ]
    if rows:
        uow.connection.execute(changes.insert(), rows)
    values = {"counted": True, "commit": commit, "first": first, "left_out": dict(left_out)}
    uow.connection.execute(deployments.update().where(deployments.c.id == found.id).values(**values))


def set_intent(uow: UnitOfWork, deployment_id: str, intent: str, declared_by: str) -> None:
    """What the deployment was for, and who said so."""
    values = {"intent": intent, "declared_by": declared_by}
    uow.connection.execute(deployments.update().where(deployments.c.id == deployment_id).values(values))


def places(uow: UnitOfWork) -> list[Place]:
    """Every service and environment that something was ever deployed to."""
    query = sa.select(deployments.c.service, deployments.c.environment).distinct()
    return sorted((service, environment) for service, environment in uow.connection.execute(query))
