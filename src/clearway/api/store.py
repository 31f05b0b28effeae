"""Answers kept for a day, so that a write that is sent twice happens once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from clearway.storage import Instant, UnitOfWork, metadata

idempotency_table = sa.Table(
    "api_idempotency",
    metadata,
    sa.Column("actor", sa.String, primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("request", sa.String, nullable=False),  # digest of method, address and body
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("location", sa.String, nullable=False),
    sa.Column("body", sa.Text),  # NULL: it held a secret, and was not kept
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "at"),
)


@dataclass(frozen=True)
class Kept:
    """The answer that the first of equal requests got."""

    request: str
    status: int
    location: str
    body: str | None


def find(uow: UnitOfWork, actor: str, key: str) -> Kept | None:
    """The answer kept under a key of this actor."""
    table = idempotency_table
    columns = (table.c.request, table.c.status, table.c.location, table.c.body)
    row = uow.connection.execute(
        sa.select(*columns).where(table.c.actor == actor, table.c.key == key)
    ).first()
    return Kept(*row) if row else None


def keep(uow: UnitOfWork, actor: str, key: str, kept: Kept) -> None:
    """Keep an answer. Raises IntegrityError when another transaction kept one meanwhile."""
    values = {
        "actor": actor,
        "key": key,
        "request": kept.request,
        "status": kept.status,
        "location": kept.location,
        "body": kept.body,
        "at": uow.now(),
    }
    uow.connection.execute(sa.insert(idempotency_table).values(values))


def forget(uow: UnitOfWork, before: datetime) -> None:
    """Drop answers older than this."""
    uow.connection.execute(sa.delete(idempotency_table).where(idempotency_table.c.at < before))
