"""The tables of what others' CI vouched for: tokens that were used, and what was recorded for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from clearway.storage import Instant, UnitOfWork, metadata

KEPT_LONGER = timedelta(hours=1)  # than a token lives: clocks differ

token_table = sa.Table(
    "build_ci_token",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("content_digest", sa.Text, nullable=False),  # what it was used for
    sa.Column("expires_at", Instant, nullable=False, index=True),
)
attested_table = sa.Table(
    "build_attested",
    metadata,
    sa.Column("content_digest", sa.Text, primary_key=True),
    sa.Column("build_id", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Used:
    """A token that was used."""

    issuer: str
    token_id: str
    expires_at: datetime


def used_for(uow: UnitOfWork, issuer: str, token_id: str) -> str | None:
    """The digest of what a token was used for; None: it was not used."""
    where = (token_table.c.issuer == issuer, token_table.c.token_id == token_id)
    return uow.connection.execute(sa.select(token_table.c.content_digest).where(*where)).scalar()


def use(uow: UnitOfWork, token: Used, content_digest: str) -> None:
    """Remember that a token was used, and forget those that are long dead."""
    dead = token_table.c.expires_at < uow.now() - KEPT_LONGER
    uow.connection.execute(sa.delete(token_table).where(dead))
    uow.connection.execute(
        sa.insert(token_table).values(
            issuer=token.issuer,
            token_id=token.token_id,
            content_digest=content_digest,
            expires_at=token.expires_at,
        )
    )


def attested_as(uow: UnitOfWork, content_digest: str) -> str | None:
    """The build that was recorded for this very content."""
    query = sa.select(attested_table.c.build_id).where(attested_table.c.content_digest == content_digest)
    return uow.connection.execute(query).scalar()


def keep(uow: UnitOfWork, content_digest: str, build_id: str) -> None:
    """Remember which build a content is."""
    uow.connection.execute(sa.insert(attested_table).values(content_digest=content_digest, build_id=build_id))
