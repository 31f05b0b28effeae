"""Stopping the line on PostgreSQL, where a reader sees rows that a tick is about to change."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from postgres import make_postgres
from rollouts import DEV, Queue, order

from clearway import access, deploy, ledger, workflow
from clearway.deploy import acts, store

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]


@pytest.mark.parametrize("verb", ["halt", "abort"])
def test_what_is_asked_during_a_tick_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """A tick commits between the question and its writing: the person waits for it, and is not lost."""
    monkeypatch.setattr(access, "require", lambda *args, **options: None)
    database = make_postgres(tools={workflow.Starter: Queue()})
    with database.begin() as uow:
        made = deploy.begin(uow, DEV, order()).id
    asking = threading.Event()

    def ask() -> None:
        with database.begin() as uow:
            asking.set()
            if verb == "halt":
                deploy.halt(uow, DEV, "smoke")
            else:
                deploy.abort(uow, DEV, made, "smoke")

    person = threading.Thread(target=ask)
    with database.begin() as uow:
        acts.commit(uow, store.load(uow, made), reason="a step")
        person.start()
        asking.wait(10)
        person.join(0.5)  # unlocked, it would have read the row by now
    person.join(10)
    with database.read() as uow:
        row = deploy.deployment(uow, made)
        said = [each.action for each in ledger.entries(uow, subject=f"deployment:{made}", limit=50).items]
    database.dispose()
    assert row.halted if verb == "halt" else row.going_back
    assert ("deployment.halted" if verb == "halt" else "deployment.going-back") in said
