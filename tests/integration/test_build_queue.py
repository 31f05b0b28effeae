"""A long queue in the real engine: kill -9 loses no build, limits hold, a lost worker's are taken over."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import make_database
from postgres import make_postgres
from services import wait_until
from workers import Worker

from clearway import build, catalog, workflow
from clearway.build import Workshop
from clearway.kernel import SYSTEM, load_documents
from clearway.storage import Database

pytestmark = pytest.mark.integration

QUEUED = 1000
PLATFORM = """
{kind: Team, name: many}
---
{kind: Team, name: few}
---
{kind: Environment, name: prod, order: 1}
---
{kind: Route, name: normal, environments: [prod]}
---
{kind: Pool, name: default, slots: 3}
---
{kind: Service, name: shop, team: many, repository: /nowhere, route: normal}
---
{kind: Service, name: drill, team: few, repository: /nowhere, route: normal}
"""
# Everything is real but the build itself: what it would run is a line in a file.
WORKER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from clearway import build, workflow
from clearway.build import service, store
from clearway.kernel import SYSTEM
from clearway.storage import Database
folder, url, name = Path(sys.argv[2]), sys.argv[3], sys.argv[4]

def note(text):
    with (folder / "ran.txt").open("a") as file:
        file.write(f"{name} {text}\\n")

def run(database, run, build_id):
    with database.begin() as uow:
        if not store.start(uow, build_id):
            return
    run.step("work", note, build_id)
    while (folder / f"hold-{name}").exists():
        time.sleep(0.02)
    with database.begin() as uow:
        service.close(uow, SYSTEM, build_id, status="succeeded", error=None)

flows = {"build.run": workflow.Flow(run, queue="builds")}
database = Database(url, lambda: datetime.now(UTC))
database.tools[workflow.Starter] = workflow.Starter(
    database, workflow.queue_table(flows), folder / "bell", builds=4
)
database.tools[build.Workshop] = build.Workshop(folder / "builds")
engine = workflow.Engine(database, flows, build.CHORES[1:2], name, lease_s=1.0)
engine.launch()
print("ready", flush=True)
time.sleep(600)
"""


class Queue:
    """The builds of a database."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        flows: dict[str, Any] = {"build.run": workflow.Flow(lambda *_: None, queue="builds")}
        workflow.migrate(database)
        database.tools[workflow.Starter] = workflow.Starter(
            database, workflow.queue_table(flows), folder / "bell", builds=4
        )
        database.tools[Workshop] = Workshop(folder / "builds")
        docs = [doc for doc, _ in load_documents(PLATFORM, "p", lambda raw: catalog.KINDS[raw["kind"]])]
        with database.begin() as uow:
            catalog.apply(uow, SYSTEM, docs)

    def ask(self, services: list[str]) -> list[str]:
        """Builds, asked for in this order."""
        with self.database.begin() as uow:
            return [build.request(uow, SYSTEM, each).id for each in services]

    def states(self) -> Counter[str]:
        """How many builds are in which state."""
        with self.database.read() as uow:
            rows = uow.connection.execute(sa.text("select status, count(*) from build_build group by status"))
            return Counter({row[0]: row[1] for row in rows})

    def with_slots(self) -> int:
        """How many have a slot now."""
        query = (
            "select count(*) from build_build where slot_at is not null and status in ('queued', 'running')"
        )
        with self.database.read() as uow:
            return int(uow.connection.execute(sa.text(query)).scalar() or 0)

    def ran(self) -> list[str]:
        """The lines that the builds wrote."""
        file = self.folder / "ran.txt"
        return file.read_text().splitlines() if file.exists() else []

    def worker(self, name: str) -> Worker:
        """A worker of its own process."""
        return Worker(WORKER, str(self.folder), self.database.url, name)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Queue]:
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC))
    yield Queue(database, tmp_path)
    database.dispose()


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[Queue]:
    database = make_postgres(lambda: datetime.now(UTC))
    yield Queue(database, tmp_path)
    database.dispose()


@pytest.mark.timeout(400)
def test_a_thousand_builds_survive_kill_9(lite: Queue) -> None:
    """Killed five times in the middle: every build ends well, once; never more have slots than there are; and
    the team that asked last for a few did not wait for the thousand."""
    asked = lite.ask(["shop"] * (QUEUED - 10) + ["drill"] * 10)
    assert lite.with_slots() == 3
    worker = lite.worker("embedded")
    try:
        for quota in (40, 150, 300, 500, 800):
            wait_until(lambda: lite.states()["succeeded"] >= quota, f"{quota} builds", 120)  # noqa: B023
            worker.kill()
            assert lite.with_slots() <= 3
            worker = lite.worker("embedded")
        wait_until(lambda: lite.states() == {"succeeded": QUEUED}, "all of them", 180)
    finally:
        worker.kill()
    ran = [line.split()[1] for line in lite.ran()]
    assert set(ran) == set(asked)
    # A step that a kill interrupted is done again; one that had ended is not.
    assert len(ran) <= QUEUED + 5 * 3
    first = {each: number for number, each in reversed(list(enumerate(ran)))}
    assert max(first[each] for each in asked[-10:]) < 60


@pytest.mark.xdist_group("postgres")
@pytest.mark.timeout(300)
def test_a_lost_worker_s_builds_are_taken_over(grown: Queue) -> None:
    """Two workers share the slots; those of the one that is killed end on the other, and the rest too."""
    (grown.folder / "hold-one").touch()
    one = grown.worker("one")
    asked = grown.ask(["shop", "drill"] * 30)
    wait_until(lambda: len(grown.ran()) == 3, "the first worker to be busy with all slots", 60)
    two = grown.worker("two")
    try:
        assert grown.with_slots() == 3
        one.kill()
        wait_until(lambda: grown.states() == {"succeeded": 60}, "all builds", 180)
    finally:
        two.kill()
    ended = {line.split()[1] for line in grown.ran()}
    assert ended == set(asked)
    assert Counter(line.split()[0] for line in grown.ran())["one"] == 3


@pytest.mark.xdist_group("postgres")
@pytest.mark.timeout(300)
def test_two_workers_never_pass_a_limit(grown: Queue) -> None:
    """Builds that end on both at once do not hand out the same slot twice."""
    grown.ask(["shop", "drill"] * 100)
    workers = [grown.worker(name) for name in ("one", "two")]
    try:
        for _ in itertools.count():
            assert grown.with_slots() <= 3
            if grown.states() == {"succeeded": 200}:
                break
    finally:
        for each in workers:
            each.kill()
    assert len(grown.ran()) == 200
