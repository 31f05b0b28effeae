"""The tables of deliveries, and of what reviewers said in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from clearway.storage import Instant, UnitOfWork, metadata

from .deliveries import Delivery
from .pulls import Review
from .store import pull_requests

deliveries = sa.Table(
    "source_deliveries",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("repository", sa.String(60), nullable=False),
    sa.Column("forge", sa.String(20), nullable=False),
    sa.Column("delivery_id", sa.String(200), nullable=False),
    sa.Column("event", sa.String(80), nullable=False),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger),
    sa.Column("received_at", Instant, nullable=False, index=True),
    sa.Column("outcome", sa.String(12), nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.UniqueConstraint("repository", "delivery_id"),
    sa.Index("ix_source_deliveries_newest", "repository", "id"),
    sa.Index("ix_source_deliveries_digest", "repository", "digest"),
)

reviews = sa.Table(
    "source_reviews",
    metadata,
    sa.Column("repository", sa.String(60), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reviewer", sa.String(200), primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("verdict", sa.String(10), primary_key=True),
    sa.Column("commit", sa.String(64), primary_key=True),
    sa.Column("standing", sa.Boolean, nullable=False),
)


def claim(uow: UnitOfWork, new: Delivery) -> bool:
    """Record a delivery, unless its id is known; whether it is new. Of two at once, one is, and one waits."""
    made = _insert(uow, deliveries).values(**asdict(new)).returning(deliveries.c.id)
    return uow.connection.execute(made).scalar() is not None


def named(uow: UnitOfWork, repository: str, delivery_id: str) -> Delivery | None:
    """The delivery of an id."""
    query = sa.select(deliveries).filter_by(repository=repository, delivery_id=delivery_id)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else Delivery(**row._mapping)


def has_twin(uow: UnitOfWork, new: Delivery) -> bool:
    """Whether the same bytes came under another id."""
    query = (
        sa.select(deliveries.c.id)
        .filter_by(repository=new.repository, digest=new.digest)
        .where(deliveries.c.id != new.id)
        .limit(1)
    )
    return uow.connection.execute(query).scalar() is not None


def change(uow: UnitOfWork, delivery_id: str, **columns: Any) -> None:
    """Change what is recorded of a delivery, by our own id."""
    uow.connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(**columns))


def count_again(uow: UnitOfWork, delivery_id: str) -> int:
    """It came once more; how often by now."""
    more = deliveries.update().where(deliveries.c.id == delivery_id)
    more = more.values(times=deliveries.c.times + 1, last_at=uow.now())
    return int(uow.connection.execute(more.returning(deliveries.c.times)).scalar_one())


def replace(uow: UnitOfWork, new: Delivery) -> None:
    """Record a delivery in the place of the one of the same name."""
    same = {"repository": new.repository, "delivery_id": new.delivery_id}
    uow.connection.execute(deliveries.delete().filter_by(**same))
    claim(uow, new)


def page(uow: UnitOfWork, repository: str, before: str | None, limit: int) -> list[Delivery]:
    """Deliveries of a repository, newest first, older than an id."""
    query = sa.select(deliveries).filter_by(repository=repository)
    if before:
        query = query.where(deliveries.c.id < before)
    query = query.order_by(deliveries.c.id.desc()).limit(limit)
    return [Delivery(**row._mapping) for row in uow.connection.execute(query)]


def drop_older(uow: UnitOfWork, than: datetime, most: int) -> int:
    """Forget deliveries that nobody sent since then, `most` at once; how many."""
    old = sa.select(deliveries.c.id).where(deliveries.c.received_at < than, deliveries.c.last_at < than)
    return uow.connection.execute(deliveries.delete().where(deliveries.c.id.in_(old.limit(most)))).rowcount


def add_reviews(uow: UnitOfWork, told: Sequence[Review]) -> None:
    """Keep what reviewers said; the same again is the same."""
    if told:
        uow.connection.execute(_insert(uow, reviews).values([asdict(each) for each in told]))


def reviews_of(uow: UnitOfWork, repository: str, number: int) -> list[Review]:
    """Everything that reviewers said of a pull request."""
    query = sa.select(reviews).filter_by(repository=repository, number=number)
    return [Review(**row._mapping) for row in uow.connection.execute(query)]


@dataclass(frozen=True)
class Untold:
    """A pull request of which nobody told the own commits."""

    number: int
    state: str
    target: str
    head: str
    merge_commit: str | None


def told_without_commits(uow: UnitOfWork, repository: str, newest: int) -> list[Untold]:
    """Of the pull requests that the newest deliveries tell of, those whose own commits nobody told."""
    lately = (
        sa.select(deliveries.c.number)
        .filter_by(repository=repository)
        .order_by(deliveries.c.id.desc())
        .limit(newest)
        .subquery()
    )
    columns = [pull_requests.c[each.name] for each in fields(Untold)]
    query = sa.select(*columns).where(
        pull_requests.c.repository == repository,
        pull_requests.c.number.in_(sa.select(lately.c.number).where(lately.c.number.is_not(None))),
        pull_requests.c.state != "closed",
        sa.cast(pull_requests.c.commits, sa.Text) == "[]",
    )
    return [Untold(**row._mapping) for row in uow.connection.execute(query)]


def _insert(uow: UnitOfWork, table: sa.Table) -> Any:
    dialect = postgresql if uow.connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def reviews_stamp(uow: UnitOfWork, repository: str) -> str:
    """Changes whenever a review of the repository's pull requests is learnt of."""
    query = sa.select(sa.func.count(), sa.func.max(reviews.c.at)).where(reviews.c.repository == repository)
    count, newest = uow.connection.execute(query).one()
    return f"{count} {newest}"
