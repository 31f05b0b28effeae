"""The table of reproductions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import OPEN, Mark, Reproduction

reproduction_table = sa.Table(
    "build_reproduction",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("artifact", sa.Text, nullable=False),
    sa.Column("build_id", sa.Text, nullable=False, index=True),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("verdict", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("report", Json),
)
_FIELDS = tuple(Reproduction.__dataclass_fields__)
_BRIEF = tuple(name for name in _FIELDS if name != "report")


def _read(row: sa.Row[Any]) -> Reproduction:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Reproduction(**{**values, "report": row.report or {}})


def _brief(row: sa.Row[Any]) -> Reproduction:
    return Reproduction(**{name: getattr(row, name) for name in _BRIEF})


def add(uow: UnitOfWork, found: Reproduction) -> None:
    """Keep a new one."""
    values = {name: getattr(found, name) for name in _FIELDS}
    uow.connection.execute(sa.insert(reproduction_table).values(**values))


def find(uow: UnitOfWork, identity: str) -> Reproduction | None:
    """One."""
    query = sa.select(reproduction_table).where(reproduction_table.c.id == identity)
    row = uow.connection.execute(query).first()
    return _read(row) if row else None


def find_open(uow: UnitOfWork, build_id: str, digest: str) -> Reproduction | None:
    """One of this artifact that has not ended."""
    table = reproduction_table.c
    query = sa.select(reproduction_table).where(
        table.build_id == build_id, table.digest == digest, table.status.in_(OPEN)
    )
    row = uow.connection.execute(query).first()
    return _read(row) if row else None


def change_open(uow: UnitOfWork, identity: str, **values: Any) -> bool:
    """Change one that has not ended; False when it has."""
    table = reproduction_table.c
    query = sa.update(reproduction_table).where(table.id == identity, table.status.in_(OPEN)).values(**values)
    return uow.connection.execute(query).rowcount == 1


def page(uow: UnitOfWork, where: Mapping[str, str], after: str | None, limit: int) -> list[Reproduction]:
    """Those that fit, newest first, without their reports."""
    columns = [reproduction_table.c[name] for name in _BRIEF]
    query = sa.select(*columns).order_by(reproduction_table.c.id.desc()).limit(limit)
    for name, value in where.items():
        query = query.where(reproduction_table.c[name] == value)
    if after is not None:
        query = query.where(reproduction_table.c.id < after)
    return [_brief(row) for row in uow.connection.execute(query)]


def marks(uow: UnitOfWork, service: str, limit: int) -> list[Mark]:
    """The newest ended reproduction of each build of a service, oldest build first."""
    table = reproduction_table.c
    newest = (
        sa.select(sa.func.max(table.id))
        .where(table.service == service, table.status.in_(("done", "failed")))
        .group_by(table.build_id)
    )
    query = (
        sa.select(table.id, table.build_id, table.version, table.verdict, table.finished_at)
        .where(table.id.in_(newest))
        .order_by(table.build_id.desc())
        .limit(limit)
    )
    rows = uow.connection.execute(query).all()
    return [Mark(row.version, row.build_id, row.id, row.verdict, row.finished_at) for row in reversed(rows)]


def last_asked(uow: UnitOfWork, services: Sequence[str]) -> dict[str, datetime]:
    """When the newest reproduction of each service was asked for."""
    table = reproduction_table.c
    query = (
        sa.select(table.service, sa.func.max(table.id).label("newest"))
        .where(table.service.in_(services))
        .group_by(table.service)
        .subquery()
    )
    rows = sa.select(table.service, table.asked_at).where(table.id.in_(sa.select(query.c.newest)))
    return {row.service: row.asked_at for row in uow.connection.execute(rows)}
