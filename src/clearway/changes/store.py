"""The tables of approvals, change requests and notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from clearway.storage import Instant, Json, UnitOfWork, metadata

from .model import Approval, ChangeRequest, Risk

approvals = sa.Table(
    "changes_approvals",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("promotion_id", sa.String(40), nullable=False, index=True),
    sa.Column("actor", sa.String(100), nullable=False, index=True),
    sa.Column("actor_kind", sa.String(10), nullable=False),
    sa.Column("plan_hash", sa.String(80), nullable=False),
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("voided_at", Instant),
    sa.Column("void_reason", sa.Text, nullable=False, default=""),
)

requests = sa.Table(
    "changes_requests",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("promotion_id", sa.String(40), nullable=False, unique=True),
    sa.Column("service", sa.String(60), nullable=False),
    sa.Column("environment", sa.String(60), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("risk", Json, nullable=False),
    sa.Column("impact", sa.Text, nullable=False),
    sa.Column("rollback_plan", sa.Text, nullable=False),
    sa.Column("requested_by", sa.String(100), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("opened_at", Instant, nullable=False, index=True),
    sa.Column("closed_at", Instant),
)

notes = sa.Table(
    "changes_notes",
    metadata,
    sa.Column("digest", sa.String(80), primary_key=True),
    sa.Column("body", Json, nullable=False),
)


def save_approval(uow: UnitOfWork, approval: Approval) -> None:
    """Write a new approval."""
    uow.connection.execute(approvals.insert().values(**asdict(approval)))


def approvals_of(uow: UnitOfWork, promotion_ids: Iterable[str]) -> list[Approval]:
    """Every approval of these promotions, void ones too, oldest first."""
    query = (
        sa.select(approvals)
        .where(approvals.c.promotion_id.in_(list(promotion_ids)))
        .order_by(approvals.c.at, approvals.c.id)
    )
    return [Approval(**row._mapping) for row in uow.connection.execute(query)]


def void(uow: UnitOfWork, approval_ids: Iterable[str], reason: str, at: datetime) -> None:
    """Mark approvals as void, for this reason."""
    uow.connection.execute(
        approvals.update()
        .where(approvals.c.id.in_(list(approval_ids)), approvals.c.voided_at.is_(None))
        .values(voided_at=at, void_reason=reason)
    )


def save_request(uow: UnitOfWork, request: ChangeRequest) -> None:
    """Write a change request over what was there."""
    uow.connection.execute(requests.delete().where(requests.c.id == request.id))
    uow.connection.execute(requests.insert().values(**_row(request)))


def request_of(uow: UnitOfWork, promotion_id: str) -> ChangeRequest | None:
    """The change request of a promotion."""
    query = sa.select(requests).where(requests.c.promotion_id == promotion_id)
    row = uow.connection.execute(query).one_or_none()
    return None if row is None else _request(row._mapping)


def save_notes(uow: UnitOfWork, digest: str, body: dict[str, Any]) -> None:
    """Keep notes under their digest; the same ones again change nothing."""
    if load_notes(uow, digest) is None:
        uow.connection.execute(notes.insert().values(digest=digest, body=body))


def load_notes(uow: UnitOfWork, digest: str) -> dict[str, Any] | None:
    """The notes with this digest."""
    body: dict[str, Any] | None = uow.connection.execute(
        sa.select(notes.c.body).where(notes.c.digest == digest)
    ).scalar_one_or_none()
    return body


def _row(request: ChangeRequest) -> dict[str, Any]:
    risk = {"level": request.risk.level, "reasons": list(request.risk.reasons)}
    return {**asdict(request), "risk": risk}


def _request(row: Mapping[Any, Any]) -> ChangeRequest:
    values = dict(row)
    risk = values.pop("risk")
    return ChangeRequest(risk=Risk(risk["level"], tuple(risk["reasons"])), **values)
