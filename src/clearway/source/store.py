"""The tables of what forges told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from clearway.storage import Instant, Json, UnitOfWork, metadata

from .pulls import PullRequest

pull_requests = sa.Table(
    "source_pull_requests",
    metadata,
    sa.Column("repository", sa.String(60), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("target", sa.String(255), nullable=False),
    sa.Column("head", sa.String(64), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("approvers", Json, nullable=False),
    sa.Column("commits", Json, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("merge_commit", sa.String(64)),
    sa.Column("merged_by", sa.String(200), nullable=False),
    sa.Column("merged_at", Instant),
)

pull_commits = sa.Table(
    "source_pull_commits",
    metadata,
    sa.Column("repository", sa.String(60), primary_key=True),
    sa.Column("sha", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
)

_AT_ONCE = 500  # names in one query; SQLite takes no more than some thousands


def save_pull_request(uow: UnitOfWork, told: PullRequest) -> bool:
    """Keep what was told of a pull request, unless something newer is known; whether it was kept."""
    same = sa.and_(pull_requests.c.repository == told.repository, pull_requests.c.number == told.number)
    known = uow.connection.execute(
        sa.select(pull_requests.c.updated_at).where(same).with_for_update()
    ).scalar_one_or_none()
    if known is not None and known > told.updated_at:
        return False
    where = {"repository": told.repository, "number": told.number}
    uow.connection.execute(pull_requests.delete().where(same))
    uow.connection.execute(pull_requests.insert().values(**asdict(told)))
    uow.connection.execute(pull_commits.delete().filter_by(**where))
    shas = {*told.commits, told.head} | ({told.merge_commit} if told.merge_commit else set())
    uow.connection.execute(pull_commits.insert(), [{**where, "sha": sha} for sha in sorted(shas)])
    return True


def pull_request(uow: UnitOfWork, repository: str, number: int) -> PullRequest | None:
    """One pull request."""
    query = sa.select(pull_requests).filter_by(repository=repository, number=number)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else _pull_request(row._mapping)


def pull_requests_of(uow: UnitOfWork, repository: str, shas: Sequence[str]) -> dict[str, list[PullRequest]]:
    """The pull requests that each of these commits belongs to, lowest number first."""
    found: dict[str, list[PullRequest]] = {}
    both = sa.and_(
        pull_requests.c.repository == pull_commits.c.repository,
        pull_requests.c.number == pull_commits.c.number,
    )
    for start in range(0, len(shas), _AT_ONCE):
        query = (
            sa.select(pull_commits.c.sha.label("asked"), pull_requests)
            .join(pull_requests, both)
            .where(
                pull_commits.c.repository == repository,
                pull_commits.c.sha.in_(shas[start : start + _AT_ONCE]),
            )
            .order_by(pull_commits.c.number)
        )
        for row in uow.connection.execute(query):
            values = dict(row._mapping)
            found.setdefault(values.pop("asked"), []).append(_pull_request(values))
    return found


def _pull_request(row: Mapping[Any, Any]) -> PullRequest:
    lists = {name: tuple(row[name]) for name in ("labels", "approvers", "commits")}
    return PullRequest(**{**row, **lists})
