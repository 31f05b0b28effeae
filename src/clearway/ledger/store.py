"""The ledger's tables. The database refuses to change or drop rows of entries, tiles and checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from clearway.storage import Instant, metadata

from .model import Checkpoint, Record
from .tiles import TILE_WIDTH
from .tree import HASH_SIZE, Frontier, root_of

_Index = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Prefixes are searched as ranges, which needs plain byte order; SQLite has it by default.
_Name = sa.String().with_variant(sa.String(collation="C"), "postgresql")

entry_table = sa.Table(
    "ledger_entry",
    metadata,
    sa.Column("index", _Index, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", _Name, nullable=False),
    sa.Column("actor_kind", sa.String, nullable=False),
    sa.Column("action", _Name, nullable=False),
    sa.Column("subject", _Name, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("digest", sa.String),
    sa.Column("data", sa.Text),  # canonical JSON text: exactly what was hashed
    sa.Column("leaf", sa.LargeBinary(HASH_SIZE), nullable=False),
    sa.Index(None, "subject", "index"),
    sa.Index(None, "action", "index"),
    sa.Index(None, "actor", "index"),
)

head_table = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("size", _Index, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
)

# Full tiles only; what is right of them is read from the entries.
tile_table = sa.Table(
    "ledger_tile",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", _Index, primary_key=True, autoincrement=False),
    sa.Column("hashes", sa.LargeBinary, nullable=False),  # 256 hashes
    sa.Column("root", sa.LargeBinary(HASH_SIZE), nullable=False),  # their root: a hash of the tile above
)

checkpoint_table = sa.Table(
    "ledger_checkpoint",
    metadata,
    sa.Column("size", _Index, primary_key=True, autoincrement=False),
    sa.Column("origin", sa.String, nullable=False),
    sa.Column("root", sa.String(64), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

_GUARDED = (entry_table, tile_table, checkpoint_table)

_POSTGRES_REFUSAL = """\
CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only: % on % refused', TG_OP, TG_TABLE_NAME; END $$"""


def guard_statements(table: str, dialect: str) -> list[str]:
    """The statements that make the database refuse to change or drop rows of a ledger table."""
    if dialect == "postgresql":
        return [
            _POSTGRES_REFUSAL,
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()",
        ]
    return [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _guard(table: sa.Table, connection: sa.Connection, **_: Any) -> None:
    for statement in guard_statements(table.name, connection.dialect.name):
        connection.exec_driver_sql(statement.replace("%", "%%"))


for _table in _GUARDED:
    event.listen(_table, "after_create", _guard)


_FIELDS = ("index", "at", "actor", "actor_kind", "action", "subject", "reason", "digest", "data")
_COLUMNS = tuple(entry_table.c[name] for name in _FIELDS)
_HEAD = sa.select(head_table.c.size, head_table.c.frontier)
_LOCKED_HEAD = _HEAD.with_for_update()
_MOVE_HEAD = (
    head_table.update()
    .where(head_table.c.size == sa.bindparam("was"), head_table.c.frontier == sa.bindparam("stood"))
    .values(size=sa.bindparam("now"), frontier=sa.bindparam("edge"))
)
_ADD = entry_table.insert()


def read_head(connection: sa.Connection) -> Frontier:
    """The right edge of the tree; empty before the first entry."""
    row = connection.execute(_HEAD).first()
    return Frontier() if row is None else Frontier.from_bytes(row.size, row.frontier)


def lock_head(connection: sa.Connection) -> Frontier:
    """The right edge, held until the transaction ends: on PostgreSQL this row serialises all appends."""
    row = connection.execute(_LOCKED_HEAD).first()
    if row is None:
        values = {"id": 1, "size": 0, "frontier": b""}
        if connection.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert

            connection.execute(insert(head_table).values(**values).on_conflict_do_nothing())
        else:
            connection.execute(head_table.insert().values(**values))
        row = connection.execute(_LOCKED_HEAD).one()
    return Frontier.from_bytes(row.size, row.frontier)


def move_head(connection: sa.Connection, was: int, stood: bytes, edge: Frontier) -> bool:
    """Stores the new edge, if the stored one still is exactly the one that was built upon."""
    values = {"was": was, "stood": stood, "now": edge.size, "edge": edge.to_bytes()}
    return connection.execute(_MOVE_HEAD, values).rowcount == 1


def add_entry(connection: sa.Connection, record: Record, leaf: bytes) -> None:
    """Stores one entry."""
    row: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    row["leaf"] = leaf
    connection.execute(_ADD, row)


def seal_tiles(connection: sa.Connection, size: int) -> None:
    """Stores every tile that became full with entry `size - 1`."""
    level = 0
    while size and size % TILE_WIDTH == 0:
        number = size // TILE_WIDTH - 1
        hashes = tile_hashes(connection, level, number, TILE_WIDTH)
        connection.execute(
            tile_table.insert(),
            {"level": level, "number": number, "hashes": b"".join(hashes), "root": root_of(hashes)},
        )
        level, size = level + 1, size // TILE_WIDTH


def tile_hashes(connection: sa.Connection, level: int, number: int, width: int) -> list[bytes]:
    """The hashes of a tile as the rows below it give them: leaves of entries, or roots of full tiles."""
    start = number * TILE_WIDTH
    if level == 0:
        places, query = entry_table.c.index, sa.select(entry_table.c.leaf)
    else:
        places = tile_table.c.number
        query = sa.select(tile_table.c.root).where(tile_table.c.level == level - 1)
    query = query.where(places >= start, places < start + width).order_by(places)
    return [bytes(found) for found in connection.scalars(query)]


def stored_tiles(
    connection: sa.Connection, level: int, start: int, end: int
) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, hashes, root) of the full tiles of a level with a number in [start, end), in order."""
    table, place = tile_table.c, tile_table.c.number
    query = sa.select(place, table.hashes, table.root).where(table.level == level)
    for number, hashes, root in connection.execute(query.where(place >= start, place < end).order_by(place)):
        yield number, bytes(hashes), bytes(root)


def stored_tile(connection: sa.Connection, level: int, number: int) -> bytes | None:
    """The hashes of one full tile."""
    query = sa.select(tile_table.c.hashes).where(tile_table.c.level == level, tile_table.c.number == number)
    found = connection.scalar(query)
    return None if found is None else bytes(found)


def records(
    connection: sa.Connection, where: Iterable[sa.ColumnElement[bool]], limit: int, newest_first: bool
) -> Sequence[Record]:
    """Entries that fulfil every condition, by index."""
    order = entry_table.c.index.desc() if newest_first else entry_table.c.index
    query = sa.select(*_COLUMNS).where(*where).order_by(order).limit(limit)
    return [Record(*row) for row in connection.execute(query)]


def all_records(connection: sa.Connection, start: int, end: int) -> Iterator[tuple[Record, bytes]]:
    """Every entry of [start, end) with its stored leaf hash, in order, without holding them all in memory."""
    place = entry_table.c.index
    query = sa.select(*_COLUMNS, entry_table.c.leaf).where(place >= start, place < end).order_by(place)
    with connection.execute(query.execution_options(yield_per=2000)) as rows:
        for row in rows:
            yield Record(*row[:-1]), bytes(row[-1])


def indices_outside(connection: sa.Connection, size: int) -> list[int]:
    """Indices of entries that a ledger of `size` has no place for."""
    place = entry_table.c.index
    query = sa.select(place).where(sa.or_(place < 0, place >= size)).order_by(place)
    return list(connection.scalars(query))


def save_checkpoint(connection: sa.Connection, checkpoint: Checkpoint) -> None:
    """Stores a checkpoint of a size that has none yet."""
    connection.execute(
        checkpoint_table.insert(),
        {
            "size": checkpoint.size,
            "origin": checkpoint.origin,
            "root": checkpoint.root,
            "note": checkpoint.note,
            "at": checkpoint.at,
        },
    )


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(row.origin, row.size, row.root, row.note, row.at)


def latest_checkpoint(connection: sa.Connection) -> Checkpoint | None:
    """The stored checkpoint of the largest size."""
    row = connection.execute(
        sa.select(checkpoint_table).order_by(checkpoint_table.c.size.desc()).limit(1)
    ).first()
    return None if row is None else _checkpoint(row)


def checkpoints_after(connection: sa.Connection, size: int) -> list[Checkpoint]:
    """Every stored checkpoint of more than `size` entries, smallest first."""
    place = checkpoint_table.c.size
    rows = connection.execute(sa.select(checkpoint_table).where(place > size).order_by(place))
    return [_checkpoint(row) for row in rows]


def subject_is(subject: str) -> sa.ColumnElement[bool]:
    """Entries about one subject."""
    return entry_table.c.subject == subject


def subject_in(subjects: Sequence[str]) -> sa.ColumnElement[bool]:
    """Entries about any of these subjects."""
    return entry_table.c.subject.in_(subjects)


def actor_is(actor: str) -> sa.ColumnElement[bool]:
    """Entries by one actor."""
    return entry_table.c.actor == actor


def action_starts(prefix: str) -> sa.ColumnElement[bool]:
    """Entries whose action begins with the prefix, as a range that the index serves."""
    first = entry_table.c.action >= prefix
    end = _text_after(prefix)
    return first if end is None else sa.and_(first, entry_table.c.action < end)


def _text_after(prefix: str) -> str | None:
    """The least text after all that begin with the prefix; None: there is none."""
    for length in range(len(prefix), 0, -1):
        following = ord(prefix[length - 1]) + 1
        if following <= 0x10FFFF:  # and from the last letter before the surrogates to the first behind them
            return prefix[: length - 1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else following)
    return None


def beyond(index: int, newest_first: bool) -> sa.ColumnElement[bool]:
    """Entries after an index in the given direction."""
    index = max(-1, min(index, 2**63 - 1))
    return entry_table.c.index < index if newest_first else entry_table.c.index > index
