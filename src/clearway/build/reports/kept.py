"""The table of reports: what a build's tests left, also of a build that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from clearway.storage import Json, UnitOfWork, metadata

report_table = sa.Table(
    "build_report",
    metadata,
    sa.Column("build_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("summary", Json, nullable=False),
    sa.Column("error", sa.Text),
)


@dataclass(frozen=True)
class Report:
    """One file that a build's tests left."""

    kind: str  # "junit", "coverage" or "sarif"
    name: str  # its path in the service's folder
    digest: str
    size: int
    summary: Mapping[str, Any]  # what it says, by its kind; empty when it could not be read
    error: str | None = None  # why it could not be read

    def as_resource(self) -> dict[str, Any]:
        """As in-toto's ResourceDescriptor."""
        digest = {"sha256": self.digest.removeprefix("sha256:")}
        return {"name": self.name, "digest": digest, "annotations": {"kind": self.kind}}


def replace_reports(uow: UnitOfWork, build_id: str, kinds: Iterable[str], found: Sequence[Report]) -> None:
    """These are the build's reports of these kinds, whatever was there before."""
    columns = report_table.c
    uow.connection.execute(
        sa.delete(report_table).where(columns.build_id == build_id, columns.kind.in_(list(kinds)))
    )
    if found:
        rows = [{"build_id": build_id, **vars(each), "summary": dict(each.summary)} for each in found]
        uow.connection.execute(sa.insert(report_table), rows)


def reports_of(uow: UnitOfWork, build_id: str) -> list[Report]:
    """A build's reports, by kind and name."""
    query = (
        sa.select(report_table)
        .where(report_table.c.build_id == build_id)
        .order_by(report_table.c.kind, report_table.c.name)
    )
    return [
        Report(row.kind, row.name, row.digest, row.size, row.summary, row.error)
        for row in uow.connection.execute(query)
    ]
