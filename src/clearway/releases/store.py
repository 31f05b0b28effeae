"""The tables of releases, promotions, places and calendars; each question asked of them has its index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway import changes
from clearway.kernel import Conflict
from clearway.storage import Instant, Json, UnitOfWork, metadata

from .cut import Cut
from .model import OPEN, WAITING, ArtifactRef, Author, Head, Promotion, Release

releases = sa.Table(
    "releases_releases",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("version", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(80), nullable=False, unique=True),
    sa.Column("content_digest", sa.String(80), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False, index=True),
    sa.Column("artifacts", Json, nullable=False),
    sa.Column("bundle_digest", sa.String(80), nullable=False, index=True),
    sa.Column("definition", Json, nullable=False),
    sa.Column("config_schema_digest", sa.String(80), nullable=False),
    sa.Column("policy_digest", sa.String(80), nullable=False),
    sa.Column("notes_digest", sa.String(80), nullable=False),
    sa.Column("build_id", sa.String(40), nullable=False, index=True),
    sa.Column("created_by", sa.String(100), nullable=False),
    sa.Column("authors", Json, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("since_version", sa.String(200)),
    sa.Column("since_commit", sa.String(64)),
    sa.UniqueConstraint("service", "version"),
    sa.Index("ix_releases_releases_version", "version"),
)

# Which releases an artifact is in; bundles too.
contents = sa.Table(
    "releases_contents",
    metadata,
    sa.Column("release_id", sa.String(40), sa.ForeignKey("releases_releases.id"), primary_key=True),
    sa.Column("digest", sa.String(80), primary_key=True),
    sa.Index("ix_releases_contents_digest", "digest"),
)

_IS_OPEN = sa.text(f"state IN ({', '.join(repr(each) for each in sorted(OPEN))})")
_GOES_BACK = sa.text(f"kind = 'rollback' AND {_IS_OPEN.text}")

promotions = sa.Table(
    "releases_promotions",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("release_id", sa.String(40), sa.ForeignKey("releases_releases.id"), nullable=False, index=True),
    sa.Column("release_digest", sa.String(80), nullable=False),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("version", sa.String(200), nullable=False),
    sa.Column("environment", sa.String(60), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("plan", Json, nullable=False),
    sa.Column("plan_hash", sa.String(80), nullable=False, index=True),
    sa.Column("requested_by", sa.String(100), nullable=False),
    sa.Column("requested_kind", sa.String(10), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("override_freeze", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("gates", Json, nullable=False),
    sa.Column("deployment_id", sa.String(40), index=True),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("wake_at", Instant, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("replaces_digest", sa.String(80)),
    sa.Index("ix_releases_promotions_place", "service", "environment", "id"),
    sa.Index("ix_releases_promotions_version", "service", "version"),
    sa.Index("ix_releases_promotions_state", "state", "service", "environment"),
    # One deployment at a time for each service and environment, whatever the code above believes.
    sa.Index(
        "uq_releases_promotions_deploying",
        "service",
        "environment",
        unique=True,
        sqlite_where=sa.text("state = 'deploying'"),
        postgresql_where=sa.text("state = 'deploying'"),
    ),
    # The same is asked for once at a time, and one rollback at a time, also by two people in one moment.
    sa.Index(
        "uq_releases_promotions_open",
        "release_id",
        "environment",
        "kind",
        unique=True,
        sqlite_where=_IS_OPEN,
        postgresql_where=_IS_OPEN,
    ),
    sa.Index(
        "uq_releases_promotions_back",
        "service",
        "environment",
        unique=True,
        sqlite_where=_GOES_BACK,
        postgresql_where=_GOES_BACK,
    ),
)

# What runs where, by the promotions that ended well; and how the last one went.
places = sa.Table(
    "releases_places",
    metadata,
    sa.Column("service", sa.String(60), primary_key=True),
    sa.Column("environment", sa.String(60), primary_key=True),
    sa.Column("release_digest", sa.String(80)),  # None: nothing ever succeeded here
    sa.Column("version", sa.String(200)),
    sa.Column("promotion_id", sa.String(40)),
    sa.Column("since", Instant),
    sa.Column("last_promotion", sa.String(40), nullable=False),
    sa.Column("last_state", sa.String(20), nullable=False),
    sa.Column("last_version", sa.String(200), nullable=False),
    sa.Column("last_at", Instant),
)

calendars = sa.Table(
    "releases_calendars",
    metadata,
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("spec", Json, nullable=False),
)


_CUT_IS_OPEN = sa.text("state IN ('tagging', 'building')")

cuts = sa.Table(
    "releases_cuts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("version", sa.String(200), nullable=False),
    sa.Column("tag", sa.String(255), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("requested_by", sa.String(100), nullable=False),
    sa.Column("requested_kind", sa.String(10), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("build_id", sa.String(40), index=True),
    sa.Column("release_id", sa.String(40)),
    sa.Column("finished_at", Instant),
    sa.Index("ix_releases_cuts_service", "service", "id"),
    # A version is cut once at a time, also by two people in one moment.
    sa.Index(
        "uq_releases_cuts_open",
        "service",
        "version",
        unique=True,
        sqlite_where=_CUT_IS_OPEN,
        postgresql_where=_CUT_IS_OPEN,
    ),
)


_HEAD = [promotions.c[each.name] for each in fields(Head)]

# -- releases


def add_release(uow: UnitOfWork, release: Release) -> None:
    """Write a new release and what it holds."""
    row = asdict(release)
    uow.connection.execute(releases.insert().values(**row))
    digests = {release.bundle_digest, *(each.digest for each in release.artifacts)}
    uow.connection.execute(
        contents.insert(), [{"release_id": release.id, "digest": digest} for digest in sorted(digests)]
    )


def release_by(uow: UnitOfWork, **equal: Any) -> Release | None:
    """The newest release that fits."""
    query = _where(sa.select(releases), releases, equal).order_by(releases.c.id.desc()).limit(1)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else _release(row._mapping)


def newest_definitions(uow: UnitOfWork, service: str | None) -> dict[str, dict[str, Any]]:
    """The clearway.yaml of each service's newest release; of one service only when it is named."""
    newest = sa.select(sa.func.max(releases.c.id)).group_by(releases.c.service)
    if service is not None:
        newest = newest.where(releases.c.service == service)
    query = sa.select(releases.c.service, releases.c.definition).where(releases.c.id.in_(newest))
    return {row.service: row.definition for row in uow.connection.execute(query)}


def releases_by_digest(uow: UnitOfWork, digests: Iterable[str]) -> dict[str, Release]:
    """Releases by their digests, in one query."""
    query = sa.select(releases).where(releases.c.digest.in_(sorted(set(digests))))
    found = (_release(row._mapping) for row in uow.connection.execute(query))
    return {each.digest: each for each in found}


def releases_holding(uow: UnitOfWork, digest: str, limit: int = 20) -> list[Release]:
    """The releases that hold an artifact, newest first."""
    query = (
        sa.select(releases)
        .join(contents, contents.c.release_id == releases.c.id)
        .where(contents.c.digest == digest)
        .order_by(releases.c.id.desc())
        .limit(limit)
    )
    return [_release(row._mapping) for row in uow.connection.execute(query)]


def releases_starting(uow: UnitOfWork, column: str, prefix: str, limit: int = 2) -> list[Release]:
    """Releases whose commit or digest starts with a prefix (an index range, not a scan)."""
    field = releases.c[column]
    query = sa.select(releases).where(field >= prefix, field < prefix + "g").order_by(releases.c.id.desc())
    return [_release(row._mapping) for row in uow.connection.execute(query.limit(limit))]


@dataclass(frozen=True)
class Point:
    """A commit that was released."""

    id: str
    version: str
    commit: str
    digest: str
    at: datetime


def points(uow: UnitOfWork, service: str, limit: int) -> list[Point]:
    """The newest releases of a service, oldest first; nothing else is read of them."""
    columns = (releases.c.id, releases.c.version, releases.c.commit, releases.c.digest, releases.c.at)
    query = sa.select(*columns).where(releases.c.service == service).order_by(releases.c.id.desc())
    return [Point(*row) for row in uow.connection.execute(query.limit(limit))][::-1]


def release_page(uow: UnitOfWork, equal: Mapping[str, Any], after: str | None, limit: int) -> list[Release]:
    """Releases that fit, newest first, older than `after`."""
    query = _page(_where(sa.select(releases), releases, equal), releases, after, limit)
    return [_release(row._mapping) for row in uow.connection.execute(query)]


def _release(row: Mapping[Any, Any]) -> Release:
    values = dict(row)
    values["artifacts"] = tuple(ArtifactRef(**each) for each in values["artifacts"])
    values["authors"] = tuple(Author(**each) for each in values["authors"])
    return Release(**values)


# -- promotions


def add_promotion(uow: UnitOfWork, promotion: Promotion) -> None:
    """Write a new promotion. Raises Conflict when the same was asked for in this moment."""
    try:
        uow.connection.execute(promotions.insert().values(**_promotion_row(promotion)))
    except sa.exc.IntegrityError:
        what = "going back" if promotion.kind == "rollback" else f"{promotion.version} is on its way"
        raise Conflict(
            f"{promotion.service} in {promotion.environment}: {what} already; it was asked for just now",
            todo="Look at `clearway status`.",
        ) from None


def save_promotion(uow: UnitOfWork, promotion: Promotion) -> bool:
    """Write it as the next revision of what was read; False when somebody else was faster.

    Raises Conflict when another promotion to the place began to deploy in this moment.
    """
    row = _promotion_row(replace(promotion, revision=promotion.revision + 1))
    update = promotions.update().where(
        promotions.c.id == promotion.id, promotions.c.revision == promotion.revision
    )
    try:
        return bool(uow.connection.execute(update.values(**row)).rowcount)
    except sa.exc.IntegrityError:
        raise Conflict(f"another promotion is deploying to {promotion.environment}") from None


def set_wake(uow: UnitOfWork, promotion_ids: Iterable[str], at: datetime) -> None:
    """Say when promotions want to be looked at; the sweep finds those that nobody looked at."""
    asked = promotions.c.id.in_(sorted(promotion_ids))
    uow.connection.execute(promotions.update().where(asked).values(wake_at=at))


def promotion(uow: UnitOfWork, promotion_id: str, *, lock: bool = False) -> Promotion | None:
    """One promotion with its approvals; locked against other transactions where the database can."""
    query = sa.select(promotions).where(promotions.c.id == promotion_id)
    row = uow.connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _with_approvals(uow, [row._mapping])[0]


def head(uow: UnitOfWork, promotion_id: str) -> Head | None:
    """One promotion without its plan and approvals."""
    row = uow.connection.execute(sa.select(*_HEAD).where(promotions.c.id == promotion_id)).one_or_none()
    return None if row is None else Head(*row)


def promotion_of_deployment(uow: UnitOfWork, deployment_id: str) -> Promotion | None:
    """The promotion that a deployment carries out."""
    query = sa.select(promotions).where(promotions.c.deployment_id == deployment_id)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else _with_approvals(uow, [row._mapping])[0]


def promotion_by_plan(uow: UnitOfWork, plan_hash: str) -> Promotion | None:
    """The newest promotion with this plan."""
    query = sa.select(promotions).where(promotions.c.plan_hash == plan_hash).order_by(promotions.c.id.desc())
    row = uow.connection.execute(query.limit(1)).one_or_none()
    return None if row is None else _with_approvals(uow, [row._mapping])[0]


def promotion_page(
    uow: UnitOfWork, equal: Mapping[str, Any], states: Iterable[str] | None, after: str | None, limit: int
) -> list[Promotion]:
    """Promotions that fit, newest first, older than `after`."""
    query = _where(sa.select(promotions), promotions, equal)
    if states is not None:
        query = query.where(promotions.c.state.in_(sorted(states)))
    rows = uow.connection.execute(_page(query, promotions, after, limit))
    return _with_approvals(uow, [row._mapping for row in rows])


def at_place(
    uow: UnitOfWork, service: str, environment: str, states: Iterable[str], limit: int = 100
) -> list[Head]:
    """The promotions of a service to an environment in some states, newest first."""
    query = (
        sa.select(*_HEAD)
        .where(
            promotions.c.service == service,
            promotions.c.environment == environment,
            promotions.c.state.in_(sorted(states)),
        )
        .order_by(promotions.c.id.desc())
        .limit(limit)
    )
    return [Head(*row) for row in uow.connection.execute(query).all()]


def count_waiting(uow: UnitOfWork, scope: Mapping[str, Any]) -> int:
    """How many promotions wait in a scope: a service, an environment, a state, ids."""
    query = _waiting(sa.select(sa.func.count()), scope)
    return int(uow.connection.execute(query).scalar_one())


def waiting_ids(uow: UnitOfWork, scope: Mapping[str, Any]) -> list[str]:
    """Ids of the promotions that wait in a scope."""
    return list(uow.connection.execute(_waiting(sa.select(promotions.c.id), scope)).scalars())


def waiting_commits(uow: UnitOfWork, service: str) -> dict[str, str]:
    """The service's waiting promotions, with the commits of their releases."""
    query = sa.select(promotions.c.id, releases.c.commit).join(
        releases, releases.c.id == promotions.c.release_id
    )
    query = _waiting(query, {"service": service})
    return {row.id: row.commit for row in uow.connection.execute(query)}


@dataclass(frozen=True)
class Ran:
    """One promotion that succeeded at a place."""

    promotion: str
    at: datetime | None
    commit: str
    version: str
    digest: str


def ran_at(uow: UnitOfWork, service: str, environment: str, limit: int) -> list[Ran]:
    """What succeeded at a place, the last to finish first, with its releases' commits; rollbacks too."""
    query = (
        sa.select(
            promotions.c.id,
            promotions.c.finished_at,
            releases.c.commit,
            promotions.c.version,
            promotions.c.release_digest,
        )
        .join(releases, releases.c.id == promotions.c.release_id)
        .where(
            promotions.c.service == service,
            promotions.c.environment == environment,
            promotions.c.state == "succeeded",
        )
        .order_by(promotions.c.finished_at.desc(), promotions.c.id.desc())
        .limit(limit)
    )
    return [Ran(*row) for row in uow.connection.execute(query)]


def lock_waiting(uow: UnitOfWork, promotion_ids: Iterable[str]) -> list[tuple[str, int]]:
    """Ids and revisions of those that wait, in order and locked; nothing else is read of them."""
    query = _waiting(sa.select(promotions.c.id, promotions.c.revision), {"ids": list(promotion_ids)})
    rows = uow.connection.execute(query.order_by(promotions.c.id).with_for_update())
    return [(row.id, row.revision) for row in rows]


def _waiting(query: sa.Select[Any], scope: Mapping[str, Any]) -> sa.Select[Any]:
    state = scope.get("state")
    query = query.where(promotions.c.state.in_([state] if state else sorted(WAITING)))
    if "ids" in scope:
        query = query.where(promotions.c.id.in_(scope["ids"]))
    equal = {name: scope.get(name) for name in ("service", "environment")}
    return _where(query.select_from(promotions), promotions, equal)


def overdue_ids(uow: UnitOfWork, before: datetime, limit: int) -> list[str]:
    """Ids of waiting promotions that wanted to be looked at before this moment."""
    query = (
        sa.select(promotions.c.id)
        .where(promotions.c.wake_at < before, promotions.c.state.in_(sorted(WAITING)))
        .order_by(promotions.c.wake_at)
        .limit(limit)
    )
    return list(uow.connection.execute(query).scalars())


def open_heads(uow: UnitOfWork) -> list[Head]:
    """The open promotions everywhere, oldest first; one query."""
    query = sa.select(*_HEAD).where(promotions.c.state.in_(sorted(OPEN))).order_by(promotions.c.id)
    return [Head(*row) for row in uow.connection.execute(query).all()]


def places_of(uow: UnitOfWork, service: str | None = None) -> Sequence[sa.Row[Any]]:
    """What each place runs and what was last tried there, for one service or for all; one query."""
    query = sa.select(places)
    if service is not None:
        query = query.where(places.c.service == service)
    return uow.connection.execute(query).all()


def place(uow: UnitOfWork, service: str, environment: str) -> sa.Row[Any] | None:
    """What one place runs; None when nothing was ever deployed there."""
    query = sa.select(places).where(places.c.service == service, places.c.environment == environment)
    return uow.connection.execute(query).one_or_none()


def settle(uow: UnitOfWork, promotion: Promotion, *, runs: bool) -> None:
    """Note how the last promotion to a place went, and, when it went well, that its release runs there."""
    here = (places.c.service == promotion.service, places.c.environment == promotion.environment)
    values: dict[str, Any] = {
        "last_promotion": promotion.id,
        "last_state": promotion.state,
        "last_version": promotion.version,
        "last_at": promotion.finished_at,
    }
    if runs:
        values |= {
            "release_digest": promotion.release_digest,
            "version": promotion.version,
            "promotion_id": promotion.id,
            "since": promotion.finished_at,
        }
    if uow.connection.execute(places.update().where(*here).values(**values)).rowcount == 0:
        at = {"service": promotion.service, "environment": promotion.environment}
        uow.connection.execute(places.insert().values(**at, **values))


def _promotion_row(promotion: Promotion) -> dict[str, Any]:
    return {column.name: getattr(promotion, column.name) for column in promotions.columns}


def _with_approvals(uow: UnitOfWork, rows: Sequence[Mapping[Any, Any]]) -> list[Promotion]:
    if not rows:
        return []
    signed = changes.approvals_of_many(uow, [row["id"] for row in rows])
    return [Promotion(**row, approvals=signed[row["id"]]) for row in rows]


# -- calendars


def calendar_specs(uow: UnitOfWork) -> dict[str, dict[str, Any]]:
    """Every calendar's document, by name."""
    query = sa.select(calendars.c.name, calendars.c.spec).order_by(calendars.c.name)
    return {row.name: row.spec for row in uow.connection.execute(query)}


def save_calendar(uow: UnitOfWork, name: str, spec: dict[str, Any] | None) -> None:
    """Write one calendar over what was there; None takes it out."""
    uow.connection.execute(calendars.delete().where(calendars.c.name == name))
    if spec is not None:
        uow.connection.execute(calendars.insert().values(name=name, spec=spec))


def _where(query: sa.Select[Any], table: sa.Table, equal: Mapping[str, Any]) -> sa.Select[Any]:
    for column, value in equal.items():
        if value is not None:
            query = query.where(table.c[column] == value)
    return query


def _page(query: sa.Select[Any], table: sa.Table, after: str | None, limit: int) -> sa.Select[Any]:
    if after is not None:
        query = query.where(table.c.id < after)
    return query.order_by(table.c.id.desc()).limit(limit)


# -- cuts


def add_cut(uow: UnitOfWork, cut: Cut) -> None:
    """Write a new cut."""
    uow.connection.execute(cuts.insert().values(**asdict(cut)))


def change_cut(uow: UnitOfWork, cut: Cut, was: str) -> bool:
    """Write a cut over what it was, unless somebody else moved it on; whether it was written."""
    query = cuts.update().where(cuts.c.id == cut.id, cuts.c.state == was).values(**asdict(cut))
    return uow.connection.execute(query).rowcount == 1


def cut_by(uow: UnitOfWork, **values: str) -> Cut | None:
    """The newest cut with these values."""
    query = sa.select(cuts).filter_by(**values).order_by(cuts.c.id.desc()).limit(1)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else Cut(**row._mapping)


def cut_page(uow: UnitOfWork, service: str | None, after: str | None, limit: int) -> list[Cut]:
    """Cuts, newest first, of one service or of all; `after` is the last id of the page before."""
    query = sa.select(cuts).order_by(cuts.c.id.desc()).limit(limit)
    if service is not None:
        query = query.where(cuts.c.service == service)
    if after is not None:
        query = query.where(cuts.c.id < after)
    return [Cut(**row._mapping) for row in uow.connection.execute(query)]
