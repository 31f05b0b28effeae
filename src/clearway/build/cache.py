"""Results of steps by the digest of all their inputs.

Rules:
1. A result is kept only when its step ended well, from files that we read after the job was gone; the first
   one for a key stays. So a failing, cancelled or concurrent step leaves nothing behind.
2. Bytes are hashed again before they are used: what was changed on the disk is no answer.
3. A result remembers the build that made it, and whether a second run gave the same; one that gave other
   bytes is remembered as such.
4. What goes for want of room or use leaves its row, which says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clearway.storage import Database, Instant, Json, UnitOfWork, metadata

LIMIT_BYTES = 5 << 30
UNUSED = timedelta(days=30)
YOUNG_S = 3600.0  # bytes that no row names may belong to a build that is about to say so

cache_table = sa.Table(
    "build_cache",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("build_id", sa.Text, nullable=False),  # that made it
    sa.Column("layer", sa.Text, nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),  # bytes of the layer
    sa.Column("told", Json, nullable=False),  # the values that the step handed on
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("reproduced", sa.Boolean),  # null: nobody ran it twice
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("used_at", Instant, nullable=False, index=True),
    sa.Column("hits", sa.Integer, nullable=False),
    sa.Column("evicted_at", Instant),
    sa.Column("why", sa.Text),  # it was evicted
)


@dataclass(frozen=True)
class Entry:
    """A kept result."""

    key: str
    service: str
    step: str
    build_id: str
    layer: str
    size: int
    told: Mapping[str, str]
    seconds: float
    reproduced: bool | None
    made_at: datetime
    evicted_at: datetime | None = None
    why: str | None = None


_FIELDS = tuple(Entry.__dataclass_fields__)


def find(uow: UnitOfWork, key: str) -> Entry | None:
    """The result for a key; an evicted one says so."""
    row = uow.connection.execute(sa.select(cache_table).where(cache_table.c.key == key)).first()
    return Entry(**{name: getattr(row, name) for name in _FIELDS}) if row else None


def keep(uow: UnitOfWork, entries: Iterable[Entry]) -> None:
    """Add results. Where one is known for the key it stays, and other bytes are remembered against it."""
    for entry in entries:
        values = {**{name: getattr(entry, name) for name in _FIELDS}, "used_at": uow.now(), "hits": 0}
        dialect = postgresql if uow.connection.dialect.name == "postgresql" else sqlite
        query = dialect.insert(cache_table).values(**values).on_conflict_do_nothing()
        if uow.connection.execute(query).rowcount:
            continue
        known = find(uow, entry.key)
        if known is not None and known.evicted_at is not None:
            _change(uow, entry.key, {**values, "evicted_at": None, "why": None})
        elif known is not None and known.layer != entry.layer:
            _change(uow, entry.key, {"reproduced": False})
        elif known is not None and entry.reproduced is not None and known.reproduced is not False:
            _change(uow, entry.key, {"reproduced": entry.reproduced})


def used(uow: UnitOfWork, keys: Sequence[str]) -> None:
    """These results answered steps just now."""
    if keys:
        table = cache_table.c
        query = sa.update(cache_table).where(table.key.in_(keys))
        uow.connection.execute(query.values(used_at=uow.now(), hits=table.hits + 1))


def _change(uow: UnitOfWork, key: str, values: Mapping[str, Any]) -> None:
    uow.connection.execute(sa.update(cache_table).where(cache_table.c.key == key).values(**values))


@dataclass(frozen=True)
class Cache:
    """The bytes; bound as a tool by wiring."""

    root: Path
    limit_bytes: int = LIMIT_BYTES

    def path(self, digest: str) -> Path:
        """Where a layer lies, if it does."""
        name = digest.removeprefix("sha256:")
        return self.root / name[:2] / name

    def put(self, made: Path, digest: str) -> None:
        """Take over a layer's file, whose digest was just computed."""
        target = self.path(digest)
        if self.holds(digest):
            os.utime(target)
            made.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, fresh = tempfile.mkstemp(dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as out, made.open("rb") as stream:
                shutil.copyfileobj(stream, out, 1 << 20)
            os.replace(fresh, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
        made.unlink()

    def holds(self, digest: str) -> bool:
        """Whether the layer is here, and still is what its digest says."""
        found = hashlib.sha256()
        try:
            with self.path(digest).open("rb") as stream:
                while data := stream.read(1 << 20):
                    found.update(data)
        except OSError:
            return False
        return "sha256:" + found.hexdigest() == digest


def evict(database: Database) -> None:
    """A chore: drop what nobody used for long, and what is too much, the longest unused first."""
    cache = database.tool(Cache)
    with database.read() as uow:
        going = _going(uow, cache.limit_bytes)
    if going:
        with database.begin() as uow:
            for key, why in going:
                _change(uow, key, {"evicted_at": uow.now(), "why": why})
    _sweep(database, cache)


def _going(uow: UnitOfWork, limit: int) -> list[tuple[str, str]]:
    table = cache_table.c
    rows = uow.connection.execute(
        sa.select(table.key, table.layer, table.size, table.used_at)
        .where(table.evicted_at.is_(None))
        .order_by(table.used_at.desc(), table.key)
    ).all()
    found, held, seen = [], 0, set[str]()
    for row in rows:
        held += 0 if row.layer in seen else row.size
        seen.add(row.layer)
        if row.used_at < uow.now() - UNUSED:
            found.append((row.key, f"nobody used it for {UNUSED.days} days"))
        elif held > limit:
            found.append((row.key, f"the cache may hold {limit >> 20} MiB, and others were used since"))
    return found


def _sweep(database: Database, cache: Cache) -> None:
    """Remove bytes that no row names any more."""
    table = cache_table.c
    with database.read() as uow:
        query = sa.select(table.layer).where(table.evicted_at.is_(None))
        named = {layer.removeprefix("sha256:") for layer in uow.connection.execute(query).scalars()}
        now = uow.now().timestamp()
    for file in cache.root.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            if file.name not in named and file.stat().st_mtime < now - YOUNG_S:
                file.unlink()
