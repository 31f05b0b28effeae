"""Several workers on one PostgreSQL: what a dead one left is done by another."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres import make_postgres
from services import wait_until
from workers import Worker

from clearway import workflow
from clearway.storage import Database

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]

WORKER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from clearway import workflow
from clearway.storage import Database
url, folder, name = sys.argv[2], Path(sys.argv[3]), sys.argv[4]

def note(text):
    with (folder / "done.txt").open("a") as file:
        file.write(f"{name} {text}\\n")

def wait():
    note("waits")
    while not (folder / "go").exists():
        time.sleep(0.05)

def function(database, run):
    run.step("first", note, "first")
    run.step("wait", wait)
    run.step("last", note, "last")

flows = {"demo.long": workflow.Flow(function)}
database = Database(url, lambda: datetime.now(UTC))
database.tools[workflow.Starter] = workflow.Starter(database, workflow.queue_table(flows))
engine = workflow.Engine(database, flows, [], name, lease_s=1.0)
engine.launch()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def database() -> Iterator[Database]:
    made = make_postgres(lambda: datetime.now(UTC))
    made.tools[workflow.Starter] = workflow.Starter(made, {"demo.long": "runs"})
    workflow.migrate(made)
    yield made
    made.dispose()


def lines(folder: Path) -> list[str]:
    file = folder / "done.txt"
    return file.read_text().splitlines() if file.exists() else []


def state(database: Database) -> list[tuple[str, str]]:
    with database.read() as uow:
        query = "select workflow_uuid, status from dbos.workflow_status"
        return [tuple(row) for row in uow.connection.execute(sa.text(query))]  # type: ignore[misc]


def test_a_killed_worker_s_flow_ends_on_another(database: Database, tmp_path: Path) -> None:
    """The finished step is not run again, the interrupted one is, and the flow ends once."""
    url = database.url
    first = Worker(WORKER, url, str(tmp_path), "one")
    with database.begin() as uow:
        workflow.start(uow, "demo.long", "key", {})
    wait_until(lambda: "one waits" in lines(tmp_path), "the flow on the first worker", 60)
    first.kill()
    second = Worker(WORKER, url, str(tmp_path), "two")
    try:
        wait_until(lambda: "two waits" in lines(tmp_path), "the second worker to take it up", 60)
        (tmp_path / "go").touch()
        wait_until(lambda: state(database) == [("key", "SUCCESS")], "its end", 60)
    finally:
        second.kill()
    assert lines(tmp_path) == ["one first", "one waits", "two waits", "two last"]


def test_a_worker_that_was_only_slow_does_no_harm(database: Database, tmp_path: Path) -> None:
    """Stopped, taken over, and continued: its next step is refused, so nothing is done by both."""
    first = Worker(WORKER, database.url, str(tmp_path), "one")
    with database.begin() as uow:
        workflow.start(uow, "demo.long", "key", {})
    wait_until(lambda: "one waits" in lines(tmp_path), "the flow on the first worker", 60)
    os.kill(first.process.pid, signal.SIGSTOP)
    second = Worker(WORKER, database.url, str(tmp_path), "two")
    try:
        wait_until(lambda: "two waits" in lines(tmp_path), "the second worker to take it up", 60)
        (tmp_path / "go").touch()
        wait_until(lambda: state(database) == [("key", "SUCCESS")], "its end", 60)
        os.kill(first.process.pid, signal.SIGCONT)
        with database.begin() as uow:  # the slow one is heard again and works on
            workflow.start(uow, "demo.long", "other", {})
        wait_until(lambda: dict(state(database)).get("other") == "SUCCESS", "the next flow", 60)
    finally:
        first.kill()
        second.kill()
    assert [line.split()[1] for line in lines(tmp_path)[:4]] == ["first", "waits", "waits", "last"]
    assert sum(line.endswith("last") for line in lines(tmp_path)) == 2
    assert state(database).count(("key", "SUCCESS")) == 1
