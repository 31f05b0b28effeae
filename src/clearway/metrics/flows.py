"""Durable work of the figures."""

from __future__ import annotations

from collections.abc import Mapping

from clearway.storage import Database
from clearway.workflow import Flow, Run

from .service import count_changes


def count(database: Database, run: Run, deployment_id: str) -> None:
    """Count the commits that a deployment brought."""
    run.step("count", count_changes, database, deployment_id)


FLOWS: Mapping[str, Flow] = {"metrics.count": Flow(count)}
