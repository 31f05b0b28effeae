"""Deploy's tables: rollouts, instances, the router's ports, what runs, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.kernel import Conflict, NotFound
from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import ACTIVE, Deployment, Instance, Order

deployments = sa.Table(
    "deploy_deployment",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("environment", sa.String(60), nullable=False),
    sa.Column("version", sa.String(100), nullable=False),
    sa.Column("release_digest", sa.String(71), nullable=False),
    sa.Column("order", Json, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("previous_id", sa.String(40)),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("phase", sa.String(10), nullable=False),
    sa.Column("phase_since", Instant, nullable=False),
    sa.Column("weights", Json, nullable=False),
    sa.Column("traffic_since", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("outcome", sa.String(30)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("judgement", Json),
    sa.Column("measured", Json, nullable=False),
    sa.Column("look", sa.Integer, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("wake_at", Instant),
    sa.Column("going_back", sa.Boolean, nullable=False),
    sa.Column("halted", sa.Text, nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Index(None, "service", "environment", "created_at"),
    sa.Index(None, "release_digest"),
    sa.Index(None, "state", "wake_at"),
    # One rollout at a time for each service and environment, whoever asks.
    sa.Index(
        "uq_deploy_deployment_active",
        "service",
        "environment",
        unique=True,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    ),
)

instances = sa.Table(
    "deploy_instance",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("deployment_id", sa.String(40), nullable=False, index=True),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("environment", sa.String(60), nullable=False),
    sa.Column("side", sa.String(10), nullable=False),
    sa.Column("version", sa.String(100), nullable=False),
    sa.Column("release_digest", sa.String(71), nullable=False),
    sa.Column("bundle_digest", sa.String(71), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("wanted", sa.String(10), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("stop_after", Instant),
    sa.Column("pid", sa.Integer),
    sa.Column("restarts", sa.Integer, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index(None, "service", "environment", "wanted"),
)

currents = sa.Table(
    "deploy_current",
    metadata,
    sa.Column("service", sa.String(60), primary_key=True),
    sa.Column("environment", sa.String(60), primary_key=True),
    sa.Column("deployment_id", sa.String(40), nullable=False),
    sa.Column("since", Instant, nullable=False),
)

listeners = sa.Table(
    "deploy_listener",
    metadata,
    sa.Column("service", sa.String(60), primary_key=True),
    sa.Column("environment", sa.String(60), primary_key=True),
    sa.Column("port", sa.Integer, nullable=False, unique=True),
    # What the router was last told for this listener: group -> weight.
    sa.Column("weights", Json, nullable=False),
)

samples = sa.Table(
    "deploy_sample",
    metadata,
    sa.Column("deployment_id", sa.String(40), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("data", Json, nullable=False),
)


# In the order of the record's fields: by place, ten thousand of them are made in half the time.
_INSTANCE = [instances.c[each.name] for each in fields(Instance)]


def insert(uow: UnitOfWork, deployment: Deployment) -> None:
    """A new rollout. Raises Conflict while another one moves in the same place."""
    try:
        uow.connection.execute(sa.insert(deployments).values(**_columns(deployment)))
    except sa.exc.IntegrityError as error:
        raise Conflict(
            f"another rollout of {deployment.order.service} to {deployment.order.environment} is under way",
            todo="Wait for it, or roll it back.",
        ) from error


def _columns(deployment: Deployment) -> dict[str, Any]:
    columns = dict(vars(deployment))
    order = deployment.order
    columns["order"] = order.model_dump(mode="json")
    columns |= {"weights": dict(deployment.weights), "measured": dict(deployment.measured)}
    return columns | {
        "service": order.service,
        "environment": order.environment,
        "version": order.version,
        "release_digest": order.release_digest,
    }


_DERIVED = {"service", "environment", "version", "release_digest"}


def _deployment(row: sa.RowMapping) -> Deployment:
    values = {name: value for name, value in row.items() if name not in _DERIVED}
    return Deployment(**values | {"order": Order.model_validate(row["order"])})


def load(uow: UnitOfWork, deployment_id: str, *, lock: bool = False) -> Deployment:
    """One rollout; with `lock`, nobody else writes it in this transaction. Raises NotFound."""
    query = sa.select(deployments).where(deployments.c.id == deployment_id)
    if lock:
        query = query.with_for_update()
    row = uow.connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"there is no deployment {deployment_id}")
    return _deployment(row)


def load_many(uow: UnitOfWork, ids: Iterable[str]) -> dict[str, Deployment]:
    """Rollouts by id, in one query."""
    query = sa.select(deployments).where(deployments.c.id.in_(list(ids)))
    return {row["id"]: _deployment(row) for row in uow.connection.execute(query).mappings()}


def find(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    environment: str | None = None,
    states: Sequence[str] = (),
    before: str | None = None,
    limit: int = 50,
) -> list[Deployment]:
    """Rollouts, newest first; `before` is the id of the last one seen."""
    query = sa.select(deployments).order_by(deployments.c.id.desc()).limit(limit)
    if service:
        query = query.where(deployments.c.service == service)
    if environment:
        query = query.where(deployments.c.environment == environment)
    if states:
        query = query.where(deployments.c.state.in_(states))
    if before:
        query = query.where(deployments.c.id < before)
    return [_deployment(row) for row in uow.connection.execute(query).mappings()]


def save(uow: UnitOfWork, deployment: Deployment) -> Deployment | None:
    """Write revision + 1 if nobody did so before us; None when somebody did."""
    following = replace(deployment, revision=deployment.revision + 1)
    done = uow.connection.execute(
        sa.update(deployments)
        .where(deployments.c.id == deployment.id, deployments.c.revision == deployment.revision)
        .values(**_columns(following))
    )
    return following if done.rowcount == 1 else None


def set_measured(uow: UnitOfWork, deployment_id: str, revision: int, measured: Mapping[str, Any]) -> None:
    """What was measured so far; the revision stays, because a look decides nothing."""
    uow.connection.execute(
        sa.update(deployments)
        .where(deployments.c.id == deployment_id, deployments.c.revision == revision)
        .values(measured=dict(measured))
    )


def overdue(uow: UnitOfWork, before: datetime, limit: int = 100) -> list[tuple[str, int]]:
    """Moving rollouts whose next tick should have come: id and revision."""
    query = (
        sa.select(deployments.c.id, deployments.c.revision)
        .where(deployments.c.state.in_(ACTIVE), deployments.c.wake_at < before)
        .limit(limit)
    )
    return [(row.id, row.revision) for row in uow.connection.execute(query)]


def load_instances(uow: UnitOfWork, where: Mapping[str, Any]) -> list[Instance]:
    """Instances whose columns equal the given values (a list: are among), oldest first."""
    query = sa.select(*_INSTANCE).order_by(instances.c.id)
    for name, value in where.items():
        column = instances.c[name]
        query = query.where(column.in_(value) if isinstance(value, list | tuple) else column == value)
    parts = uow.connection.execute(query).partitions(500)  # rows that die young cost the collector nothing
    return [Instance(*row) for part in parts for row in part]


def add_instances(uow: UnitOfWork, new: Sequence[Instance]) -> None:
    """New instances."""
    if new:
        uow.connection.execute(sa.insert(instances), [dict(vars(each)) for each in new])


def update_instance(uow: UnitOfWork, instance_id: str, **values: Any) -> None:
    """Change columns of one instance."""
    uow.connection.execute(sa.update(instances).where(instances.c.id == instance_id).values(**values))


def note_seen(uow: UnitOfWork, read: Instance, seen: Instance) -> bool:
    """Write what a look saw, unless the instance was changed meanwhile; whether it was written."""
    same = (
        instances.c.id == read.id,
        instances.c.deployment_id == read.deployment_id,
        instances.c.wanted == read.wanted,
        instances.c.status == read.status,
    )
    values = {"status": seen.status, "pid": seen.pid, "detail": seen.detail[:500]}
    return uow.connection.execute(sa.update(instances).where(*same).values(**values)).rowcount == 1


def retire(uow: UnitOfWork, instance: Instance, stop_after: datetime) -> None:
    """Have it leave the router and end then, unless it changed: a rollback may have adopted it."""
    same = (
        instances.c.id == instance.id,
        instances.c.deployment_id == instance.deployment_id,
        instances.c.wanted == "running",
        instances.c.stop_after.is_not_distinct_from(instance.stop_after),
    )
    uow.connection.execute(sa.update(instances).where(*same).values(wanted="draining", stop_after=stop_after))


def used_ports(uow: UnitOfWork) -> set[int]:
    """Ports that instances and listeners hold."""
    taken = sa.select(instances.c.port).where(instances.c.wanted != "stopped")
    found = {row.port for row in uow.connection.execute(taken)}
    return found | {row.port for row in uow.connection.execute(sa.select(listeners.c.port))}


def load_listeners(uow: UnitOfWork) -> list[sa.Row[Any]]:
    """Every listener: service, environment, port, weights."""
    return list(uow.connection.execute(sa.select(listeners)).all())


def ports(uow: UnitOfWork) -> dict[tuple[str, str], int]:
    """The router's port for each service and environment."""
    query = sa.select(listeners.c.service, listeners.c.environment, listeners.c.port)
    return {
        (service, environment): port for service, environment, port in uow.connection.execute(query).all()
    }


def listener(uow: UnitOfWork, service: str, environment: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """The listener of one place; with `lock`, nobody else writes it in this transaction."""
    query = sa.select(listeners).where(listeners.c.service == service, listeners.c.environment == environment)
    if lock:
        query = query.with_for_update()
    return uow.connection.execute(query).first()


def add_listener(uow: UnitOfWork, service: str, environment: str, port: int) -> None:
    """A new listener without traffic."""
    uow.connection.execute(
        sa.insert(listeners).values(service=service, environment=environment, port=port, weights={})
    )


def set_weights(uow: UnitOfWork, service: str, environment: str, weights: Mapping[str, int]) -> None:
    """What the router shall do for one place."""
    uow.connection.execute(
        sa.update(listeners)
        .where(listeners.c.service == service, listeners.c.environment == environment)
        .values(weights=dict(weights))
    )


def current(uow: UnitOfWork, service: str, environment: str) -> str | None:
    """The deployment that serves a place."""
    query = sa.select(currents.c.deployment_id).where(
        currents.c.service == service, currents.c.environment == environment
    )
    return uow.connection.execute(query).scalar()


def all_current(uow: UnitOfWork) -> list[sa.Row[Any]]:
    """Every place that is served: its columns, the version, the release's digest, and the router's port."""
    columns = (deployments.c.version, deployments.c.release_digest, listeners.c.port)
    here = sa.and_(
        listeners.c.service == currents.c.service, listeners.c.environment == currents.c.environment
    )
    query = (
        sa.select(currents, *columns)
        .join(deployments, deployments.c.id == currents.c.deployment_id)
        .outerjoin(listeners, here)
    )
    return list(uow.connection.execute(query).all())


def place(uow: UnitOfWork, service: str, environment: str) -> sa.Row[Any] | None:
    """One place that is served."""
    query = sa.select(currents).where(currents.c.service == service, currents.c.environment == environment)
    return uow.connection.execute(query).first()


def set_current(uow: UnitOfWork, service: str, environment: str, deployment_id: str | None) -> None:
    """Who serves a place from now on; None: nobody."""
    place = (currents.c.service == service, currents.c.environment == environment)
    uow.connection.execute(sa.delete(currents).where(*place))
    if deployment_id:
        uow.connection.execute(
            sa.insert(currents).values(
                service=service, environment=environment, deployment_id=deployment_id, since=uow.now()
            )
        )


def add_sample(uow: UnitOfWork, deployment_id: str, revision: int, data: Mapping[str, Any]) -> None:
    """What was measured at one tick, for the chart."""
    uow.connection.execute(
        sa.insert(samples).values(
            deployment_id=deployment_id, revision=revision, at=uow.now(), data=dict(data)
        )
    )


def load_samples(uow: UnitOfWork, deployment_id: str) -> list[sa.Row[Any]]:
    """Everything measured in one rollout, oldest first."""
    query = sa.select(samples).where(samples.c.deployment_id == deployment_id).order_by(samples.c.revision)
    return list(uow.connection.execute(query))
