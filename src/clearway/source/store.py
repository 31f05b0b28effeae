"""The tables of what forges told, of what was fetched, and of what git is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.kernel import Retry, new_id
from clearway.storage import Instant, Json, UnitOfWork, metadata

from .credentials import Credential
from .pulls import Merged, PullRequest
from .refs import RefEntry, RefMove

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

states = sa.Table(
    "source_repositories",
    metadata,
    sa.Column("repository", sa.String(60), primary_key=True),
    sa.Column("location", sa.Text, nullable=False),  # where it was fetched from last
    sa.Column("refs", sa.String(80), nullable=False),  # the digest of what is in source_refs
    sa.Column("revision", sa.Integer, nullable=False),  # of source_refs; compared and set
    sa.Column("begun_at", Instant),  # when the newest fetch that ended well began
    sa.Column("synced_at", Instant),  # when it ended
    sa.Column("wanted_at", Instant),  # somebody told of news
    sa.Column("asked_at", Instant),  # since when a look is queued, or goes on; null: none is
    sa.Column("next_at", Instant, index=True),  # when to look unasked; null: never
    sa.Column("failures", sa.Integer, nullable=False),  # in a row
    sa.Column("error", sa.Text, nullable=False),
)

refs = sa.Table(
    "source_refs",
    metadata,
    sa.Column("repository", sa.String(60), primary_key=True),
    sa.Column("ref", sa.String(300), primary_key=True),
    sa.Column("sha", sa.String(64), nullable=False),
)

ref_moves = sa.Table(
    "source_ref_moves",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("repository", sa.String(60), nullable=False),
    sa.Column("ref", sa.String(300), nullable=False),
    sa.Column("old", sa.String(64)),
    sa.Column("new", sa.String(64)),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("lost", sa.Integer, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Index("ix_source_ref_moves_repository", "repository", "id"),
)

credentials = sa.Table(
    "source_credentials",
    metadata,
    sa.Column("repository", sa.String(60), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("host", sa.String(300), nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("at", Instant, nullable=False),
)

checks = sa.Table(
    "source_checks",
    metadata,
    sa.Column("service", sa.String(60), primary_key=True),
    sa.Column("stamp", sa.String(80), nullable=False),  # what it was made of
    sa.Column("at", Instant, nullable=False),
    sa.Column("found", Json, nullable=False),
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


def merged_pulls(uow: UnitOfWork, repository: str) -> dict[str, list[Merged]]:
    """The merged pull requests of a repository by the commits that belong to them, lowest number first."""
    columns = (pull_requests.c.number, pull_requests.c.approvers, pull_requests.c.commits)
    query = (
        sa.select(*columns, pull_requests.c.merge_commit, pull_requests.c.head)
        .where(pull_requests.c.repository == repository, pull_requests.c.state == "merged")
        .order_by(pull_requests.c.number)
    )
    found: dict[str, list[Merged]] = {}
    for row in uow.connection.execute(query):
        merged = Merged(row.number, tuple(row.approvers), tuple(row.commits), row.merge_commit)
        for sha in {row.head, row.merge_commit, *merged.commits} - {None}:
            found.setdefault(sha, []).append(merged)
    return found


def _pull_request(row: Mapping[Any, Any]) -> PullRequest:
    lists = {name: tuple(row[name]) for name in ("labels", "approvers", "commits")}
    return PullRequest(**{**row, **lists})


@dataclass(frozen=True)
class FollowState:
    """How far a repository is known."""

    repository: str
    location: str
    refs: str
    revision: int
    begun_at: datetime | None
    synced_at: datetime | None
    wanted_at: datetime | None
    asked_at: datetime | None
    next_at: datetime | None
    failures: int
    error: str


def state(uow: UnitOfWork, repository: str, *, lock: bool = False) -> FollowState | None:
    """What is known of a repository; None before anybody looked."""
    query = sa.select(states).filter_by(repository=repository)
    row = uow.connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else FollowState(**row._mapping)


def all_states(uow: UnitOfWork) -> dict[str, FollowState]:
    """What is known of every repository, by name."""
    return {row.repository: FollowState(**row._mapping) for row in uow.connection.execute(sa.select(states))}


def save_state(uow: UnitOfWork, repository: str, **columns: Any) -> None:
    """Change a repository's row, or make it."""
    done = uow.connection.execute(states.update().filter_by(repository=repository).values(**columns))
    if done.rowcount:
        return
    fresh: dict[str, Any] = {"location": "", "refs": "", "revision": 0, "failures": 0, "error": ""}
    try:
        uow.connection.execute(states.insert().values({**fresh, "repository": repository, **columns}))
    except sa.exc.IntegrityError:
        raise Retry(f"somebody else looks at {repository} at the same moment") from None


def due(uow: UnitOfWork, now: datetime) -> list[str]:
    """Repositories that are to be looked at by now."""
    query = sa.select(states.c.repository).where(states.c.next_at <= now).order_by(states.c.next_at)
    return list(uow.connection.execute(query).scalars())


def forget(uow: UnitOfWork, repository: str) -> None:
    """Drop what git was given for a repository, and when to look at it; its history stays."""
    uow.connection.execute(credentials.delete().filter_by(repository=repository))
    uow.connection.execute(states.update().filter_by(repository=repository).values(next_at=None))


def known_refs(uow: UnitOfWork, repository: str) -> dict[str, str]:
    """Every branch and tag as it was recorded, with the object it names."""
    query = sa.select(refs.c.ref, refs.c.sha).filter_by(repository=repository)
    return {row.ref: row.sha for row in uow.connection.execute(query)}


def save_moves(
    uow: UnitOfWork, repository: str, moved: Sequence[RefMove], lost: Mapping[str, int], *, first: bool
) -> None:
    """Record where branches and tags are now, and, but for the first look, how they came there."""
    gone = [each.ref for each in moved if each.old is not None]
    for start in range(0, len(gone), _AT_ONCE):
        names = gone[start : start + _AT_ONCE]
        uow.connection.execute(refs.delete().where(refs.c.repository == repository, refs.c.ref.in_(names)))
    here = [
        {"repository": repository, "ref": each.ref, "sha": each.new} for each in moved if each.new is not None
    ]
    if here:
        uow.connection.execute(refs.insert(), here)
    if moved and not first:
        rows = [
            {
                "id": new_id("mov"),
                "repository": repository,
                "ref": each.ref,
                "old": each.old,
                "new": each.new,
                "kind": each.kind,
                "lost": lost.get(each.ref, 0),
                "seen_at": uow.now(),
            }
            for each in moved
        ]
        uow.connection.execute(ref_moves.insert(), rows)


def moves_of(uow: UnitOfWork, repository: str, before: str | None, limit: int) -> list[RefEntry]:
    """What moved in a repository, newest first, older than an id."""
    query = sa.select(ref_moves).filter_by(repository=repository)
    if before:
        query = query.where(ref_moves.c.id < before)
    query = query.order_by(ref_moves.c.id.desc()).limit(limit)
    return [RefEntry(**row._mapping) for row in uow.connection.execute(query)]


def credentials_of(uow: UnitOfWork, repository: str) -> list[Credential]:
    """What git and webhooks are given for a repository, newest first of each kind."""
    columns = [column for column in credentials.c if column.name != "sealed"]
    query = sa.select(*columns).filter_by(repository=repository)
    query = query.order_by(credentials.c.kind, credentials.c.version.desc())
    return [Credential(**row._mapping) for row in uow.connection.execute(query)]


def sealed_credentials(uow: UnitOfWork, repository: str) -> list[tuple[Credential, bytes]]:
    """The same with what was sealed."""
    query = sa.select(credentials).filter_by(repository=repository)
    query = query.order_by(credentials.c.kind, credentials.c.version.desc())
    found = [dict(row._mapping) for row in uow.connection.execute(query)]
    return [(Credential(**{k: v for k, v in row.items() if k != "sealed"}), row["sealed"]) for row in found]


def add_credential(uow: UnitOfWork, new: Credential, sealed: bytes, keep: int) -> None:
    """Keep a new version, and of the older ones the newest `keep`."""
    try:
        uow.connection.execute(credentials.insert().values(**asdict(new), sealed=sealed))
    except sa.exc.IntegrityError:
        raise Retry("somebody else set it at the same moment", todo="Look at it, then try again.") from None
    drop_credential(uow, new.repository, new.kind, new.version - keep)


def drop_credential(uow: UnitOfWork, repository: str, kind: str, below: int | None = None) -> int:
    """Forget a kind's versions, or those below a number; how many."""
    query = credentials.delete().filter_by(repository=repository, kind=kind)
    if below is not None:
        query = query.where(credentials.c.version < below)
    return uow.connection.execute(query).rowcount


def deleted_branches(uow: UnitOfWork, repository: str) -> dict[str, str]:
    """Branches that are gone, with the commit that they had last."""
    query = (
        sa.select(ref_moves.c.ref, ref_moves.c.old)
        .where(
            ref_moves.c.repository == repository,
            ref_moves.c.kind == "deleted",
            ref_moves.c.ref.startswith("refs/heads/"),
        )
        .order_by(ref_moves.c.id)
    )
    return {row.ref: row.old for row in uow.connection.execute(query) if row.old}


def pulls_stamp(uow: UnitOfWork, repository: str) -> str:
    """Changes whenever something is learnt of the repository's pull requests."""
    query = sa.select(sa.func.count(), sa.func.max(pull_requests.c.updated_at)).where(
        pull_requests.c.repository == repository
    )
    count, newest = uow.connection.execute(query).one()
    return f"{count} {newest}"


def check(uow: UnitOfWork, service: str) -> dict[str, Any] | None:
    """What was found last in a service's history; None before anybody looked."""
    query = sa.select(checks.c.stamp, checks.c.at, checks.c.found).filter_by(service=service)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else dict(row._mapping)


def save_check(uow: UnitOfWork, service: str, row: Mapping[str, Any]) -> None:
    """Keep what was found in place of what was."""
    if not uow.connection.execute(checks.update().filter_by(service=service).values(row)).rowcount:
        try:
            uow.connection.execute(checks.insert().values(service=service, **row))
        except sa.exc.IntegrityError:
            raise Retry(f"somebody else checks {service} at the same moment") from None
