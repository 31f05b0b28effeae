"""The catalog's table: one row a declared thing, holding its document."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from clearway.kernel import Retry
from clearway.storage import Instant, Json, UnitOfWork, metadata

items = sa.Table(
    "catalog_items",
    metadata,
    sa.Column("kind", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("spec", Json, nullable=False),  # the document without its kind
    sa.Column("updated_at", Instant, nullable=False),
)

# made once: faces ask it with every request, and making it costs as much as asking it
_OF_KIND = (
    sa.select(items.c.name, items.c.spec).where(items.c.kind == sa.bindparam("kind")).order_by(items.c.name)
)


def load(uow: UnitOfWork, kind: str) -> dict[str, dict[str, Any]]:
    """Every document of a kind, by name, sorted by name."""
    return {row.name: row.spec for row in uow.connection.execute(_OF_KIND, {"kind": kind})}


def load_one(uow: UnitOfWork, kind: str, name: str) -> dict[str, Any] | None:
    """One document; None when it is not there."""
    query = sa.select(items.c.spec).where(items.c.kind == kind, items.c.name == name)
    found: dict[str, Any] | None = uow.connection.execute(query).scalar()
    return found


def save(uow: UnitOfWork, kind: str, name: str, spec: dict[str, Any]) -> None:
    """Write one document over what was there."""
    remove(uow, kind, name)
    try:
        uow.connection.execute(items.insert().values(kind=kind, name=name, spec=spec, updated_at=uow.now()))
    except sa.exc.IntegrityError:
        raise Retry(
            "somebody else applied at the same moment", todo="Look at the diff, then try again."
        ) from None


def remove(uow: UnitOfWork, kind: str, name: str) -> None:
    """Take one document out."""
    uow.connection.execute(items.delete().where(items.c.kind == kind, items.c.name == name))
