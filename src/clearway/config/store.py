"""Configuration as it was set: every version stays, the newest one counts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from clearway.kernel import Retry
from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import Entry

versions = sa.Table(
    "config_versions",
    metadata,
    sa.Column("service", sa.String(60), primary_key=True),  # empty: every service
    sa.Column("environment", sa.String(60), primary_key=True),  # empty: every environment
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("value", Json),  # null for a secret
    sa.Column("sealed", sa.LargeBinary),  # the encrypted secret
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("at", Instant, nullable=False),
)


def newest(uow: UnitOfWork, *scopes: tuple[str, str]) -> list[Entry]:
    """The newest entry of each key in the scopes (service, environment), deleted ones included."""
    scoped = sa.or_(
        *(
            sa.and_(versions.c.service == service, versions.c.environment == where)
            for service, where in scopes
        )
    )
    keys = (versions.c.service, versions.c.environment, versions.c.key)
    last = (
        sa.select(*keys, sa.func.max(versions.c.version).label("version"))
        .where(scoped)
        .group_by(*keys)
        .subquery()
    )
    same = sa.and_(
        *(versions.c[name] == last.c[name] for name in ("service", "environment", "key", "version")),
    )
    query = sa.select(versions).join(last, same).order_by(*keys)
    return [_entry(row) for row in uow.connection.execute(query)]


def history(uow: UnitOfWork, service: str, environment: str, key: str) -> list[Entry]:
    """Every version of a key in one scope, oldest first."""
    query = (
        sa.select(versions)
        .where(versions.c.service == service, versions.c.environment == environment, versions.c.key == key)
        .order_by(versions.c.version)
    )
    return [_entry(row) for row in uow.connection.execute(query)]


def add(uow: UnitOfWork, service: str, environment: str, key: str, **columns: Any) -> int:
    """Write the next version of a key, and return its number."""
    scope = sa.and_(
        versions.c.service == service, versions.c.environment == environment, versions.c.key == key
    )
    last = uow.connection.execute(sa.select(sa.func.max(versions.c.version)).where(scope)).scalar()
    version = (last or 0) + 1
    row = {"service": service, "environment": environment, "key": key, "version": version}
    defaults = {"deleted": False, "at": uow.now()}
    try:
        uow.connection.execute(versions.insert().values({**row, **defaults, **columns}))
    except sa.exc.IntegrityError:
        raise Retry(
            f"somebody else changed {key} at the same moment", todo="Look at it, then try again."
        ) from None
    return version


def sealed(uow: UnitOfWork, service: str, environment: str, key: str, version: int) -> bytes | None:
    """The encrypted secret of one version."""
    query = sa.select(versions.c.sealed).where(
        versions.c.service == service,
        versions.c.environment == environment,
        versions.c.key == key,
        versions.c.version == version,
    )
    found: bytes | None = uow.connection.execute(query).scalar()
    return found


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        key=row.key,
        service=row.service or None,
        environment=row.environment or None,
        version=row.version,
        value=row.value,
        secret=row.sealed is not None,
        actor=row.actor,
        at=row.at.isoformat(),
        reason=row.reason,
        deleted=row.deleted,
    )
