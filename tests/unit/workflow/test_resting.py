"""The engine's loops rest while nobody writes, and wake for a write at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import make_database

from clearway import workflow
from clearway.storage import Database
from clearway.workflow import engine as engine_module
from clearway.workflow import resting


class Counted:
    """A pulse that counts who rests, and lets nobody go before it is told to."""

    def __init__(self) -> None:
        self.since: list[float] = []

    def rest(self, most_s: float, since: float) -> None:
        self.since.append(since)


def wait_until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_an_event_that_came_ends_the_loop_without_a_rest() -> None:
    """Stopping is never slept through."""
    event, pulse = threading.Event(), Counted()
    resting.let_rest([event], pulse)  # type: ignore[arg-type]
    assert not event.wait(0.001)
    event.set()
    assert event.wait(0.001)
    assert len(pulse.since) == 1


def test_each_loop_rests_since_its_own_last_look() -> None:
    """Loops that wait on one event don't take each other's looks for their own."""
    event, pulse = threading.Event(), Counted()
    resting.let_rest([event], pulse)  # type: ignore[arg-type]
    event.wait(0.001)
    event.wait(0.001)
    other = threading.Thread(target=event.wait, args=(0.001,))
    other.start()
    other.join()
    first, second, of_other = pulse.since
    assert first == of_other == -resting.AFTERMATH_S, "who never looked may not rest"
    assert second > 0


@pytest.mark.integration
def test_the_real_engine_rests_and_wakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to do every queue rests; a start, now or later, wakes it, however long it would rest."""
    for module in (resting, engine_module):
        monkeypatch.setattr(module, "MOST_S", 3600.0)
    monkeypatch.setattr(resting, "AFTERMATH_S", 0.0)
    ran: list[str] = []

    def function(database: Database, run: workflow.Run, text: str) -> None:
        ran.append(text)

    flows = {"demo.say": workflow.Flow(function), "demo.build": workflow.Flow(function, "builds")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC))
    workflow.migrate(database)
    database.tools[workflow.Starter] = workflow.Starter(database, workflow.queue_table(flows))
    chore = workflow.Chore("demo.chore", 0.01, lambda _: ran.append("chore"), only_after_writes=True)
    engine = workflow.Engine(database, flows, [chore], "test")
    resters: set[str] = set()
    rest = engine._pulse.rest

    def noted(most_s: float, since: float) -> None:
        name = threading.current_thread().name
        resters.add(name)
        rest(most_s, since)

    monkeypatch.setattr(engine._pulse, "rest", noted)
    engine.launch()
    loops = {"queue-worker-runs", "queue-worker-builds", "queue-worker-notices", "clearway-timers"}
    try:
        wait_until(lambda: loops | {"clearway-demo.chore"} <= resters)
        for flow in flows:
            with database.begin() as uow:
                workflow.start(uow, flow, flow, {"text": flow})
            wait_until(lambda flow=flow: flow in ran)  # type: ignore[misc]
        with database.begin() as uow:
            later = uow.now() + timedelta(seconds=0.5)
            workflow.start(uow, "demo.say", "later", {"text": "later"}, at=later)
        wait_until(lambda: "later" in ran)
        assert "chore" in ran
    finally:
        engine.drain(2)
        database.dispose()
