"""Waiting starts: rows with a wake-up time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from clearway.storage import Instant, Json, UnitOfWork, metadata

timer = sa.Table(
    "workflow_timer",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("flow", sa.Text, nullable=False),
    sa.Column("args", Json, nullable=False),
    sa.Column("due_at", Instant, nullable=False, index=True),
)

worker = sa.Table(
    "workflow_worker",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
)
"""Workers of one PostgreSQL, and when each was last heard, in microseconds since 1970."""

# By the database's own clock: those of several machines differ.
_NOW_US = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1_000_000, sa.BigInteger)


def beat(uow: UnitOfWork, name: str) -> None:
    """This worker lives."""
    made = postgresql.insert(worker).values(name=name, seen_us=_NOW_US)
    uow.connection.execute(
        made.on_conflict_do_update(index_elements=[worker.c.name], set_={"seen_us": made.excluded.seen_us})
    )


def forget_worker(uow: UnitOfWork, name: str) -> None:
    """This worker has ended; what it left is anybody's."""
    uow.connection.execute(sa.delete(worker).where(worker.c.name == name))


def workers(uow: UnitOfWork) -> int:
    """Workers that were heard within the last minute; 0 where nobody counts them."""
    if uow.connection.dialect.name != "postgresql":
        return 0
    query = sa.select(sa.func.count()).select_from(worker).where(worker.c.seen_us > _NOW_US - 60_000_000)
    return uow.connection.execute(query).scalar() or 0


def silent(uow: UnitOfWork, lease_s: float) -> list[str]:
    """Workers that hold running flows and were not heard for longer than the lease."""
    living = sa.select(worker.c.name).where(worker.c.seen_us > _NOW_US - int(lease_s * 1_000_000))
    status = sa.table("workflow_status", sa.column("executor_id"), sa.column("status"), schema="dbos")
    query = (
        sa.select(status.c.executor_id)
        .where(status.c.status == "PENDING", status.c.executor_id.not_in(living))
        .distinct()
    )
    return sorted(uow.connection.scalars(query))


def drop_silent(uow: UnitOfWork, lease_s: float) -> None:
    """Forget workers that were not heard for a long time; a worker that was only slow is heard again."""
    limit = _NOW_US - int(lease_s * 1_000_000) * 100
    uow.connection.execute(sa.delete(worker).where(worker.c.seen_us < limit))


def save_timer(uow: UnitOfWork, flow: str, key: str, args: dict[str, Any], due_at: datetime) -> None:
    """Keep a start for later; the same key again moves it."""
    uow.connection.execute(sa.delete(timer).where(timer.c.key == key))
    uow.connection.execute(sa.insert(timer).values(flow=flow, key=key, args=args, due_at=due_at))


def drop_timer(uow: UnitOfWork, key: str) -> None:
    """Forget a waiting start; nothing happens when there is none."""
    uow.connection.execute(sa.delete(timer).where(timer.c.key == key))


def any_due(uow: UnitOfWork, now: datetime) -> bool:
    """Whether a start is due."""
    return (
        uow.connection.execute(sa.select(timer.c.key).where(timer.c.due_at <= now).limit(1)).first()
        is not None
    )


def next_due(uow: UnitOfWork) -> datetime | None:
    """When the next start is due."""
    found: datetime | None = uow.connection.scalar(sa.select(sa.func.min(timer.c.due_at)))
    return found


def due_timers(uow: UnitOfWork, now: datetime, limit: int) -> Sequence[sa.Row[Any]]:
    """The starts that are due, oldest first."""
    query = sa.select(timer).where(timer.c.due_at <= now).order_by(timer.c.due_at).limit(limit)
    return uow.connection.execute(query).all()


def engine_schema(uow: UnitOfWork) -> int | None:
    """The version of the engine's own tables; None before they are made."""
    connection = uow.connection
    schema = None if connection.dialect.name == "sqlite" else "dbos"
    if not sa.inspect(connection).has_table("dbos_migrations", schema=schema):
        return None
    found = connection.execute(
        sa.select(sa.table("dbos_migrations", sa.column("version"), schema=schema).c.version)
    )
    return found.scalar()
