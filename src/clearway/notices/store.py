"""Notices, how far the ledger was read, and what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import Delivery, Notice

notices = sa.Table(
    "notices_notice",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("spec", Json, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),  # the first ledger entry that it may tell of
)

cursor = sa.Table(
    "notices_cursor",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("seen", sa.BigInteger, nullable=False),  # entries before this one were looked at
)

deliveries = sa.Table(
    "notices_delivery",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # <notice>/<entry>: one message, once
    sa.Column("notice", sa.Text, nullable=False, index=True),
    sa.Column("entry", sa.BigInteger, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
)


def specs(uow: UnitOfWork) -> dict[str, dict[str, Any]]:
    """Every notice's document, by name."""
    rows = uow.connection.execute(sa.select(notices.c.name, notices.c.spec).order_by(notices.c.name))
    return {row.name: row.spec for row in rows}


def watching(uow: UnitOfWork) -> list[tuple[Notice, int]]:
    """Every notice with the first entry that it may tell of."""
    rows = uow.connection.execute(notices.select().order_by(notices.c.name))
    return [(Notice.model_validate(row.spec), row.since) for row in rows]


def one(uow: UnitOfWork, name: str) -> Notice | None:
    """One notice."""
    spec = uow.connection.scalar(sa.select(notices.c.spec).where(notices.c.name == name))
    return None if spec is None else Notice.model_validate(spec)


def save(uow: UnitOfWork, name: str, spec: dict[str, Any], since: int) -> None:
    """Write a notice; one that is known keeps where it began."""
    known = uow.connection.scalar(sa.select(notices.c.since).where(notices.c.name == name))
    remove(uow, name)
    uow.connection.execute(
        notices.insert().values(name=name, spec=spec, since=since if known is None else known)
    )


def remove(uow: UnitOfWork, name: str) -> None:
    """Take a notice away."""
    uow.connection.execute(notices.delete().where(notices.c.name == name))


def seen(uow: UnitOfWork) -> int:
    """Entries before this one were looked at."""
    return uow.connection.scalar(sa.select(cursor.c.seen)) or 0


def move(uow: UnitOfWork, before: int, after: int) -> bool:
    """Look no more at entries before `after`; False when somebody else moved it meanwhile."""
    if seen(uow) != before:
        return False
    uow.connection.execute(cursor.delete())
    uow.connection.execute(cursor.insert().values(id=1, seen=after))
    return True


def add_delivery(uow: UnitOfWork, delivery: Delivery) -> None:
    """A message that waits to be sent."""
    uow.connection.execute(deliveries.insert().values(**vars(delivery)))


def delivery(uow: UnitOfWork, delivery_id: str) -> Delivery | None:
    """One message."""
    row = uow.connection.execute(deliveries.select().where(deliveries.c.id == delivery_id)).first()
    return None if row is None else Delivery(**row._mapping)


def close(uow: UnitOfWork, delivery_id: str, state: str, reason: str, at: datetime) -> None:
    """The message is sent, given up or dropped."""
    values = {"state": state, "reason": reason, "ended_at": at, "attempts": deliveries.c.attempts + 1}
    uow.connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(**values))


def postpone(uow: UnitOfWork, delivery_id: str, reason: str) -> None:
    """One more attempt failed."""
    values = {"reason": reason, "attempts": deliveries.c.attempts + 1}
    uow.connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(**values))


def newest(uow: UnitOfWork, notice: str | None, limit: int) -> list[Delivery]:
    """What was sent or waits, newest first."""
    query = deliveries.select().order_by(deliveries.c.entry.desc(), deliveries.c.notice).limit(limit)
    if notice is not None:
        query = query.where(deliveries.c.notice == notice)
    return [Delivery(**row._mapping) for row in uow.connection.execute(query)]
