"""The table of builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.artifacts import Artifact
from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import OPEN, Build

build_table = sa.Table(
    "build_build",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("twice", sa.Boolean, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("commit", sa.Text, index=True),
    sa.Column("version", sa.Text),
    sa.Column("author", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("mode", sa.Text),
    sa.Column("reproduced", sa.Boolean),
    sa.Column("artifacts", Json),
    sa.Column("tests", Json),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("error", sa.Text),
    sa.Column("log_path", sa.Text, nullable=False),
    sa.Column("external", Json),  # made elsewhere: by which job
    sa.Column("pool", sa.Text, nullable=False, server_default="default"),
    sa.Column("team", sa.Text, nullable=False, server_default=""),  # whose turn it uses
    sa.Column("slot_at", Instant),  # when it got its slot; none: it waits in the queue
    sa.Column("cancel_asked", sa.Text),  # who asked to stop it, and why
    sa.Column("stages", Json),  # once it ended: what it did when
    sa.Column("retry_of", sa.Text),
    sa.Column("anew", sa.Text),
)
# Of a million builds that have ended, the queue reads none.
sa.Index(
    "ix_build_build_open",
    build_table.c.status,
    build_table.c.pool,
    build_table.c.team,
    build_table.c.id,
    sqlite_where=build_table.c.status.in_(OPEN),
    postgresql_where=build_table.c.status.in_(OPEN),
)
_FIELDS = tuple(Build.__dataclass_fields__)


def read_build(row: sa.Row[Any]) -> Build:
    """A row as a record."""
    values = {name: getattr(row, name) for name in _FIELDS}
    values["artifacts"] = tuple(
        Artifact(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in row.artifacts or ()
    )
    return Build(**values)


def pack_artifacts(artifacts: tuple[Artifact, ...]) -> list[dict[str, Any]]:
    """Artifacts as JSON, so that a page of builds is one query."""
    return [{**asdict(each), "at": each.at.isoformat()} for each in artifacts]


def add(uow: UnitOfWork, build: Build) -> None:
    """Keep a new build."""
    values = {name: getattr(build, name) for name in _FIELDS if name != "artifacts"}
    uow.connection.execute(sa.insert(build_table).values(**values, artifacts=[]))


_ONE = sa.select(build_table).where(build_table.c.id == sa.bindparam("build_id"))
_ASKED = sa.select(build_table.c.cancel_asked).where(build_table.c.id == sa.bindparam("build_id"))
_OPEN = sa.update(build_table).where(
    build_table.c.id == sa.bindparam("build_id"), build_table.c.status.in_(OPEN)
)
_START = _OPEN.values(
    status="running",
    started_at=sa.func.coalesce(build_table.c.started_at, sa.bindparam("now", type_=Instant)),
)


def find(uow: UnitOfWork, build_id: str) -> Build | None:
    """One build."""
    row = uow.connection.execute(_ONE, {"build_id": build_id}).first()
    return read_build(row) if row else None


def change_open(uow: UnitOfWork, build_id: str, **values: Any) -> bool:
    """Change a build that has not ended; False when it has."""
    return uow.connection.execute(_OPEN, {"build_id": build_id, **values}).rowcount == 1


def start(uow: UnitOfWork, build_id: str) -> bool:
    """A build that has not ended runs, since the first time that this was said; False when it has."""
    return uow.connection.execute(_START, {"build_id": build_id, "now": uow.now()}).rowcount == 1


def cancel_asked(uow: UnitOfWork, build_id: str) -> str | None:
    """Who asked to stop the build, and why; None when nobody did."""
    return uow.connection.execute(_ASKED, {"build_id": build_id}).scalar()


def built(uow: UnitOfWork, service: str, commit: str) -> bool:
    """Whether a build of this commit waits, runs or succeeded, under whatever name it was asked for."""
    table = build_table.c
    query = sa.select(table.id).where(
        table.service == service,
        sa.or_(table.commit == commit, table.ref == commit),
        table.status.in_((*OPEN, "succeeded")),
    )
    return uow.connection.execute(query.limit(1)).first() is not None


def stages_of(uow: UnitOfWork, build_id: str) -> list[dict[str, Any]] | None:
    """The stages of a build that has ended, as they were packed."""
    query = sa.select(build_table.c.stages).where(build_table.c.id == build_id)
    found: list[dict[str, Any]] | None = uow.connection.execute(query).scalar()
    return found


def page(uow: UnitOfWork, where: Mapping[str, str], after: str | None, limit: int) -> list[Build]:
    """Builds whose columns have these values, newest first."""
    query = sa.select(build_table).order_by(build_table.c.id.desc()).limit(limit)
    for name, value in where.items():
        query = query.where(build_table.c[name] == value)
    if after is not None:
        query = query.where(build_table.c.id < after)
    return [read_build(row) for row in uow.connection.execute(query)]


@dataclass(frozen=True)
class Point:
    """A commit that was built."""

    id: str
    commit: str
    version: str
    at: datetime | None  # when the build ended


def points(uow: UnitOfWork, service: str, limit: int) -> list[Point]:
    """The newest builds of a service that succeeded, oldest first; nothing else is read of them."""
    columns = (build_table.c.id, build_table.c.commit, build_table.c.version, build_table.c.finished_at)
    query = (
        sa.select(*columns)
        .where(
            build_table.c.service == service,
            build_table.c.status == "succeeded",
            build_table.c.commit.is_not(None),
        )
        .order_by(build_table.c.id.desc())
        .limit(limit)
    )
    rows = uow.connection.execute(query).all()
    return [Point(row.id, row.commit, row.version or "", row.finished_at) for row in reversed(rows)]
