"""The rows that wait, those that have a slot, and whose turn was when."""

from __future__ import annotations

import sqlalchemy as sa

from clearway.build.model import OPEN
from clearway.build.store import build_table
from clearway.storage import UnitOfWork, metadata

from .order import Head

turn_table = sa.Table(
    "build_turn",
    metadata,
    sa.Column("pool", sa.Text, primary_key=True),
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("turn", sa.BigInteger, nullable=False),
)
_LOCK = ("", "")  # the row that whoever hands out holds until the commit: two must not give the last slot
_ROW = build_table.c
_WAITS = (_ROW.status == "queued", _ROW.slot_at.is_(None))


def lock(uow: UnitOfWork) -> None:
    """Alone with the slots until the end of the transaction."""
    where = (turn_table.c.pool == _LOCK[0], turn_table.c.team == _LOCK[1])
    if not uow.connection.execute(sa.update(turn_table).where(*where).values(turn=0)).rowcount:
        uow.connection.execute(sa.insert(turn_table).values(pool=_LOCK[0], team=_LOCK[1], turn=0))


def anybody_waits(uow: UnitOfWork) -> bool:
    """Whether a build has no slot yet."""
    return uow.connection.execute(sa.select(_ROW.id).where(*_WAITS).limit(1)).first() is not None


def heads(uow: UnitOfWork) -> list[Head]:
    """The oldest waiting build of each team in each pool."""
    query = sa.select(_ROW.pool, _ROW.team, sa.func.min(_ROW.id)).where(*_WAITS)
    rows = uow.connection.execute(query.group_by(_ROW.pool, _ROW.team))
    return [Head(*row) for row in rows]


def head(uow: UnitOfWork, pool: str, team: str) -> Head | None:
    """The oldest waiting build of one team in one pool."""
    query = sa.select(sa.func.min(_ROW.id)).where(*_WAITS, _ROW.pool == pool, _ROW.team == team)
    found = uow.connection.execute(query).scalar()
    return Head(pool, team, found) if found else None


def busy(uow: UnitOfWork) -> list[tuple[str, str, int]]:
    """How many builds have a slot: by pool and team."""
    query = (
        sa.select(_ROW.pool, _ROW.team, sa.func.count())
        .where(_ROW.status.in_(OPEN), _ROW.slot_at.is_not(None))
        .group_by(_ROW.pool, _ROW.team)
    )
    return [(row[0], row[1], row[2]) for row in uow.connection.execute(query)]


def turns(uow: UnitOfWork) -> dict[tuple[str, str], int]:
    """When each team was last served, by pool and team."""
    rows = uow.connection.execute(sa.select(turn_table))
    return {(row.pool, row.team): row.turn for row in rows if (row.pool, row.team) != _LOCK}


def give(uow: UnitOfWork, found: Head, turn: int) -> None:
    """The build has its slot, and the team had its turn."""
    uow.connection.execute(sa.update(build_table).where(_ROW.id == found.build_id).values(slot_at=uow.now()))
    where = (turn_table.c.pool == found.pool, turn_table.c.team == found.team)
    if not uow.connection.execute(sa.update(turn_table).where(*where).values(turn=turn)).rowcount:
        uow.connection.execute(sa.insert(turn_table).values(pool=found.pool, team=found.team, turn=turn))


def waiting(uow: UnitOfWork, pool: str) -> list[tuple[str, str]]:
    """The waiting builds of a pool with their teams, oldest first."""
    query = sa.select(_ROW.id, _ROW.team).where(*_WAITS, _ROW.pool == pool).order_by(_ROW.id)
    return [(row.id, row.team) for row in uow.connection.execute(query)]


def pools_of(uow: UnitOfWork, ids: list[str]) -> set[str]:
    """The pools in which some of these builds wait."""
    return set(uow.connection.scalars(sa.select(_ROW.pool).where(*_WAITS, _ROW.id.in_(ids)).distinct()))
