"""Durable sending, and the watch over the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearway.storage import Database
from clearway.workflow import Chore, Flow, Run

from . import service


def send(database: Database, run: Run, delivery_id: str, attempts: int) -> None:
    """One attempt to send one message."""
    with database.read() as uow:
        if not service.due(uow, delivery_id, attempts):
            return
    came = run.step("send", service.send, database, delivery_id)
    with database.begin() as uow:
        service.record(uow, delivery_id, attempts, came["outcome"], came["why"])


FLOWS: Mapping[str, Flow] = {"notices.send": Flow(send, queue="notices")}
CHORES: Sequence[Chore] = (Chore("notices.watch", 1.0, service.watch, only_after_writes=True),)
