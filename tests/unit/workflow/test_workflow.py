"""The durable engine behind its door."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import make_database

from clearway import workflow
from clearway.storage import Database
from clearway.workflow import store


class Touches:
    """Pickles into a payload that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


class Queued:
    """Stands where the engine stands and writes down what it was asked to start."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, dict[str, object]]] = []

    def enqueue(self, uow: object, flow: str, key: str, args: dict[str, object]) -> None:
        self.started.append((flow, key, args))


@pytest.fixture
def queued() -> Queued:
    return Queued()


@pytest.fixture
def database(tmp_path: Path, queued: Queued) -> Iterator[Database]:
    database = make_database(tmp_path, tools={workflow.Starter: queued})
    yield database
    database.dispose()


def test_a_later_start_is_a_row_until_it_is_due(database: Database, queued: Queued) -> None:
    """A start with a time waits as a row, and starts once when its time has come."""
    with database.begin() as uow:
        workflow.start(
            uow, "releases.advance", "prm_1/1", {"id": "prm_1"}, at=uow.now() + timedelta(seconds=60)
        )
    assert workflow.wake_due(database) == 0
    database.clock.advance(61)  # type: ignore[attr-defined]
    assert workflow.wake_due(database) == 1
    assert workflow.wake_due(database) == 0
    assert queued.started == [("releases.advance", "prm_1/1", {"id": "prm_1"})]


def test_a_start_in_the_past_starts_at_once(database: Database, queued: Queued) -> None:
    """A wake-up time that has passed is now."""
    with database.begin() as uow:
        workflow.start(uow, "f", "k", {}, at=uow.now() - timedelta(seconds=1))
    assert queued.started == [("f", "k", {})]


def test_a_cancelled_start_never_wakes(database: Database, queued: Queued) -> None:
    """A waiting start can be forgotten."""
    with database.begin() as uow:
        workflow.start(uow, "f", "k", {}, at=uow.now() + timedelta(seconds=1))
        workflow.cancel(uow, "k")
    database.clock.advance(5)  # type: ignore[attr-defined]
    assert workflow.wake_due(database) == 0
    assert queued.started == []


def test_a_rolled_back_transaction_starts_nothing(database: Database) -> None:
    """State and queued work stand or fall together."""
    with pytest.raises(ZeroDivisionError), database.begin() as uow:
        workflow.start(uow, "f", "k", {}, at=uow.now() + timedelta(seconds=1))
        1 / 0  # noqa: B018
    with database.read() as uow:
        assert uow.connection.execute(sa.select(sa.func.count()).select_from(store.timer)).scalar() == 0


def test_one_start_that_cannot_be_keeps_no_other_asleep(tmp_path: Path) -> None:
    """A row of a flow that this version does not know is put off and said; the others wake."""

    class Picky(Queued):
        def enqueue(self, uow: object, flow: str, key: str, args: dict[str, object]) -> None:
            if flow == "gone":
                raise KeyError(flow)
            super().enqueue(uow, flow, key, args)

    queued = Picky()
    database = make_database(tmp_path, tools={workflow.Starter: queued})
    with database.begin() as uow:
        for number, flow in enumerate(["gone", "known", "known"]):
            workflow.start(uow, flow, f"k{number}", {}, at=uow.now() + timedelta(seconds=number + 1))
    database.clock.advance(10)  # type: ignore[attr-defined]
    assert workflow.wake_due(database) == 2
    assert [key for _, key, _ in queued.started] == ["k1", "k2"]
    assert workflow.wake_due(database) == 0
    with database.read() as uow:
        assert uow.connection.execute(sa.select(store.timer.c.key)).scalars().all() == ["k0"]
    database.dispose()


@pytest.mark.integration
def test_the_real_engine_runs_a_flow_once_and_refuses_pickle(tmp_path: Path) -> None:
    """A key is used once; a row tagged as pickle is never read, not even by a listing."""
    import base64
    import pickle
    import threading

    from dbos import DBOS

    ran: list[str] = []
    done = threading.Event()

    def function(database: Database, run: workflow.Run, text: str) -> None:
        ran.append(run.step("say", str.upper, text))
        done.set()

    flows = {"demo.say": workflow.Flow(function)}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC))
    workflow.migrate(database)
    database.tools[workflow.Starter] = workflow.Starter(database, workflow.queue_table(flows))
    engine = workflow.Engine(database, flows, [], "test")
    engine.launch()
    try:
        for _ in range(2):
            with database.begin() as uow:
                workflow.start(uow, "demo.say", "once", {"text": "hello"})
        assert done.wait(20)
        poison = base64.b64encode(pickle.dumps(Touches(tmp_path / "owned"))).decode()
        with database.begin() as uow:
            uow.connection.execute(
                sa.text("update workflow_status set output = :p, serialization = 'py_pickle'"), {"p": poison}
            )
        listed = DBOS.list_workflows()
        assert [status.workflow_id for status in listed] == ["once"]
        assert not (tmp_path / "owned").exists(), "the payload of a pickled row ran"
    finally:
        engine.drain(2)
        database.dispose()
    assert ran == ["HELLO"]
