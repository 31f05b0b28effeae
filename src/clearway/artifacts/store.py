"""The tables of artifacts and evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from clearway.kernel import new_id
from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import Artifact, Evidence

artifact_table = sa.Table(
    "artifacts_artifact",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("purl", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("build_id", sa.Text, index=True),
    sa.Column("at", Instant, nullable=False),
)
# One digest may come from several builds: that is what reproducible means. From one build it comes once.
sa.Index(
    "uq_artifacts_artifact_made",
    artifact_table.c.digest,
    artifact_table.c.name,
    sa.func.coalesce(artifact_table.c.build_id, ""),
    unique=True,
)

evidence_table = sa.Table(
    "artifacts_evidence",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("content_digest", sa.Text, nullable=False, unique=True),
    sa.Column("predicate_type", sa.Text, nullable=False),
    sa.Column("statement", Json, nullable=False),
    sa.Column("envelope", Json, nullable=False),
    sa.Column("at", Instant, nullable=False),
)
subject_table = sa.Table(
    "artifacts_subject",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("evidence_id", sa.Text, sa.ForeignKey("artifacts_evidence.id"), primary_key=True),
)

_FIELDS = ("digest", "size", "name", "type", "purl", "service", "version", "build_id", "at")


def read_artifact(row: sa.Row[Any]) -> Artifact:
    """A row as a record."""
    return Artifact(**{name: getattr(row, name) for name in _FIELDS})


def same_artifact(uow: UnitOfWork, digest: str, name: str, build_id: str | None) -> Artifact | None:
    """What this build already stored under this name and digest."""
    query = sa.select(artifact_table).where(
        artifact_table.c.digest == digest,
        artifact_table.c.name == name,
        sa.func.coalesce(artifact_table.c.build_id, "") == (build_id or ""),
    )
    row = uow.connection.execute(query).first()
    return read_artifact(row) if row else None


def add_artifact(uow: UnitOfWork, artifact: Artifact) -> None:
    """Keep a new artifact."""
    values = {name: getattr(artifact, name) for name in _FIELDS}
    uow.connection.execute(sa.insert(artifact_table).values(id=new_id("art"), **values))


def first_artifact(uow: UnitOfWork, digest: str) -> Artifact | None:
    """The oldest record of a digest."""
    query = sa.select(artifact_table).where(artifact_table.c.digest == digest).order_by(artifact_table.c.id)
    row = uow.connection.execute(query.limit(1)).first()
    return read_artifact(row) if row else None


def find_artifacts(
    uow: UnitOfWork, where: Sequence[sa.ColumnElement[bool]], after: str | None, limit: int
) -> list[tuple[str, Artifact]]:
    """Artifacts that fit, newest first, with their row ids."""
    query = sa.select(artifact_table).where(*where).order_by(artifact_table.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(artifact_table.c.id < after)
    return [(row.id, read_artifact(row)) for row in uow.connection.execute(query)]


def known_evidence(uow: UnitOfWork, content_digest: str) -> str | None:
    """The id under which the same signed content is kept."""
    query = sa.select(evidence_table.c.id).where(evidence_table.c.content_digest == content_digest)
    return uow.connection.execute(query).scalar()


def add_evidence(
    uow: UnitOfWork,
    content_digest: str,
    subjects: Iterable[str],
    statement: dict[str, Any],
    envelope: dict[str, Any],
) -> str:
    """Keep an envelope for each of its subjects."""
    identity = new_id("evi")
    uow.connection.execute(
        sa.insert(evidence_table).values(
            id=identity,
            content_digest=content_digest,
            predicate_type=statement["predicateType"],
            statement=statement,
            envelope=envelope,
            at=uow.now(),
        )
    )
    rows = [{"digest": digest, "evidence_id": identity} for digest in sorted(set(subjects))]
    uow.connection.execute(sa.insert(subject_table), rows)
    return identity


def evidence_by_id(uow: UnitOfWork, identity: str, digest: str) -> Evidence:
    """One piece of evidence, as said about one of its subjects."""
    row = uow.connection.execute(sa.select(evidence_table).where(evidence_table.c.id == identity)).one()
    return Evidence(row.id, digest, row.predicate_type, row.statement, row.envelope, row.at)


def evidence_about(uow: UnitOfWork, digests: Sequence[str]) -> list[Evidence]:
    """All evidence about these digests, oldest first, in one query."""
    query = (
        sa.select(evidence_table, subject_table.c.digest)
        .join(subject_table, subject_table.c.evidence_id == evidence_table.c.id)
        .where(subject_table.c.digest.in_(digests))
        .order_by(evidence_table.c.id)
    )
    return [
        Evidence(row.id, row.digest, row.predicate_type, row.statement, row.envelope, row.at)
        for row in uow.connection.execute(query)
    ]
