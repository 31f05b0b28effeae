"""From a push to the mirror: real HTTP, real git, real engine, and processes that are killed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from databases import make_database
from forges import FORGES, SECRET, payload, sent
from listening import Listening
from repositories import Made
from servers import serving
from services import wait_until
from workers import Worker

from clearway import access, catalog, source, workflow
from clearway.integrations.age import AgeCipher
from clearway.kernel import SYSTEM, Actor, by_kind, load_documents
from clearway.storage import Database

pytestmark = pytest.mark.integration

PLATFORM = """
{kind: Team, name: store}
---
{kind: Environment, name: dev, order: 1}
---
{kind: Route, name: standard, environments: [dev]}
---
{kind: Repository, name: shop-code, location: '%s', forge: github, poll: 0s}
---
{kind: Service, name: shop, team: store, repository: shop-code, route: standard}
"""
OPEN = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from databases import load_tables
from clearway import source, workflow
from clearway.integrations.age import AgeCipher
from clearway.storage import Database
folder = Path(sys.argv[2])
load_tables()
database = Database(f"sqlite:///{folder / 'clearway.db'}", lambda: datetime.now(UTC))
database.tools[source.Mirrors] = source.Mirrors(folder / "mirrors")
database.tools[source.Cipher] = AgeCipher.create(folder / "identity")
database.tools[workflow.Starter] = workflow.Starter(
    database, workflow.queue_table(source.FLOWS), folder / "worker.bell"
)
"""
WORKER = (
    OPEN
    + """
engine = workflow.Engine(database, source.FLOWS, [], "worker")
engine.launch()
print("ready", flush=True)
time.sleep(600)
"""
)
SERVER = (
    OPEN
    + """
import os, signal, socket
import uvicorn
from clearway.faces.webhooks import app
receive, record, death = source.receive, app._record, sys.argv[4]
def die():
    os.kill(os.getpid(), signal.SIGKILL)
if death == "before":  # inside the transaction, when everything is written
    app.source.receive = lambda *arguments: (receive(*arguments), die())
if death == "after":  # committed, and not yet answered
    app._record = lambda *arguments: (record(*arguments), die())
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[3])))
listener.listen()
print("ready", flush=True)
config = uvicorn.Config(app.create_app(database), log_config=None, lifespan="off")
uvicorn.Server(config).run(sockets=[listener])
"""
)


@pytest.mark.parametrize("forge", FORGES)
def test_a_push_arrives(tmp_path: Path, forge: str) -> None:
    """Somebody pushes, the forge tells over HTTP, and the mirror has the commit and the move is recorded. Of
    what the delivery says of commits nothing is taken."""
    listening = Listening(tmp_path, forge)
    with serving(listening.app) as address:

        def deliver(chapter: int, name: str) -> int:
            delivery = sent(forge, chapter, id=name)
            url = f"{address}/hooks/shop-code"
            return httpx.post(url, content=delivery.body, headers=delivery.headers).status_code

        assert deliver(1, "first") == 202
        listening.house.run()
        before = listening.commit_of()
        pushed = listening.made.commit({"a.txt": "2"})
        assert deliver(0, "second") == 202
        assert deliver(0, "second") == 200
        listening.house.run()
    assert listening.commit_of() == pushed
    with listening.database.read() as uow:
        [move] = source.ref_history(uow, "shop-code").items
    assert (move.ref, move.old, move.new, move.kind) == ("refs/heads/main", before, pushed, "advanced")


def test_what_was_never_told_comes_with_the_next_delivery(tmp_path: Path) -> None:
    """While Clearway was away, branches, tags and merges were told to nobody: one late delivery, of an old
    push, brings all of it."""
    listening = Listening(tmp_path, "github")
    listening.post(sent("github", 0, id="first"))
    listening.house.run()
    made = listening.made
    made.git("checkout", "--quiet", "-b", "topic")
    topic = made.commit({"b.txt": "1"})
    made.git("checkout", "--quiet", "main")
    made.commit({"a.txt": "2"})
    made.git("merge", "--quiet", "--no-edit", "topic")
    made.git("tag", "v1.0.0")
    merged = made.git("rev-parse", "HEAD")
    old = sent("github", 1, id="late")
    assert listening.post(old).status_code == 202
    listening.house.run()
    assert (listening.commit_of(), listening.commit_of("topic")) == (merged, topic)
    assert listening.commit_of("v1.0.0") == merged


def test_without_webhooks_the_next_look_brings_it(tmp_path: Path) -> None:
    """What no delivery told, because the forge could not reach anybody, is fetched when the time has come."""
    listening = Listening(tmp_path, "github")
    text = (PLATFORM % listening.made.root).replace("poll: 0s", "poll: 5m").split("---\n")[3]
    with listening.database.begin() as uow:
        kinds = by_kind(catalog.KINDS)
        catalog.apply(uow, SYSTEM, [doc for doc, _ in load_documents(text, "platform.yaml", kinds)])
    listening.post(sent("github", 0))
    listening.house.run()
    pushed = listening.made.commit({"a.txt": "2"})
    listening.house.clock.advance(301)
    source.service.poll(listening.database)
    listening.house.run()
    assert listening.commit_of() == pushed


def test_a_flood_is_a_few_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty deliveries before anybody looked are one fetch: each asks for news that the first look brings."""
    listening = Listening(tmp_path, "github")
    looked: list[str] = []
    sync = source.Mirrors.sync

    def count(mirrors: source.Mirrors, *arguments: object) -> object:
        looked.append("once")
        return sync(mirrors, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(source.Mirrors, "sync", count)
    for number in range(50):
        told = sent("github", 0, id=f"n-{number}")
        told = told.but(body=told.body.replace(b'"forced": false', b'"forced": false, "n": %d' % number))
        assert listening.post(told).json()["outcome"] == "fetch"
        listening.house.clock.advance(1)
    assert listening.queued() == 1
    listening.house.run()
    assert len(looked) == 1


def test_news_that_come_while_it_is_fetched_are_fetched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push whose delivery arrives after git has listed the branches starts no second look, and the one that
    goes on does not end without it; then nothing is left to do, and the next delivery starts a new one."""
    listening = Listening(tmp_path, "github")
    sync, pushed = source.Mirrors.sync, []

    def push_meanwhile(mirrors: source.Mirrors, *arguments: object) -> object:
        done = sync(mirrors, *arguments)  # type: ignore[arg-type]
        if not pushed:
            pushed.append(listening.made.commit({"a.txt": "2"}))
            listening.house.clock.advance(1)
            assert listening.post(sent("github", 1, id="meanwhile")).status_code == 202
        return done

    monkeypatch.setattr(source.Mirrors, "sync", push_meanwhile)
    listening.post(sent("github", 0, id="first"))
    listening.house.run()
    assert [listening.commit_of()] == pushed
    assert listening.queued() == 0
    listening.post(sent("github", 2, id="later"))
    assert listening.queued() == 1


def test_a_repository_that_was_away_is_asked_again(tmp_path: Path) -> None:
    """A look that failed is over: the next delivery starts a new one, without waiting for the pause."""
    listening = Listening(tmp_path, "github", location=str(tmp_path / "moved"))
    listening.post(sent("github", 0, id="first"))
    listening.house.run()
    listening.declare(str(listening.made.root))
    listening.post(sent("github", 1, id="second"))
    assert listening.queued() == 1
    listening.house.run()
    assert listening.commit_of() == listening.made.git("rev-parse", "HEAD")


def test_a_look_that_was_lost_is_not_waited_for(tmp_path: Path) -> None:
    """Ten minutes after a look was asked for that never ended, news start another."""
    listening = Listening(tmp_path, "github")
    listening.post(sent("github", 0, id="first"))
    listening.house.queue.waiting.clear()
    listening.post(sent("github", 1, id="second"))
    assert listening.queued() == 0
    listening.house.clock.advance(601)
    listening.post(sent("github", 2, id="third", at=listening.house.clock()))
    assert listening.queued() == 1


def pull_request(listening: Listening, name: str, at: str, **more: object) -> None:
    """GitHub tells of pull request 12, which goes from topic to main."""
    told = payload("github.pull_request.opened")
    told["pull_request"] |= {"updated_at": at, **more}
    told["pull_request"]["head"]["sha"] = listening.made.git("rev-parse", "topic")
    delivery = sent("github", 1, id=name).but(body=json.dumps(told).encode())
    assert listening.post(delivery).json()["outcome"] == "recorded"
    listening.house.run()


def test_a_pull_requests_own_commits_are_read_from_the_mirror(tmp_path: Path) -> None:
    """GitHub, GitLab and Gitea do not tell them: they are found once the branch is fetched, follow it when it
    goes on, and stay when it was squashed and deleted, so that each leads to the pull request."""
    listening = Listening(tmp_path, "github")
    made = listening.made
    made.git("checkout", "--quiet", "-b", "topic")
    own = [made.commit({"b.txt": "1"}), made.commit({"b.txt": "2"})]
    pull_request(listening, "opened", "2026-03-01T09:00:00Z")
    pull = listening.pull()
    assert pull is not None
    assert pull.commits == tuple(own)
    made.git("checkout", "--quiet", "main")
    made.commit({"a.txt": "2"})
    made.git("checkout", "--quiet", "topic")
    made.git("merge", "--quiet", "--no-edit", "main")
    own += [made.git("rev-parse", "HEAD"), made.commit({"b.txt": "3"})]
    pull_request(listening, "synchronized", "2026-03-01T09:01:00Z")
    pull = listening.pull()
    assert pull is not None
    assert pull.commits == tuple(own)
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--squash", "topic")
    squashed = made.commit({}, "feat: all of it (#12)")
    merged = {"merged": True, "merged_at": "2026-03-01T09:02:00Z", "merge_commit_sha": squashed}
    pull_request(listening, "merged", "2026-03-01T09:02:00Z", state="closed", **merged)
    made.git("branch", "--quiet", "-D", "topic")
    listening.post(sent("github", 0, id="deleted"))
    listening.house.run()
    with listening.database.read() as uow:
        found = source.pull_requests_of(uow, "shop-code", [*own, squashed])
    assert {sha: [each.number for each in pulls] for sha, pulls in found.items()} == {
        sha: [12] for sha in (*own, squashed)
    }


def test_a_pull_request_that_was_first_heard_of_when_it_was_merged(tmp_path: Path) -> None:
    """The delivery that it was opened never came: what it had beside its target is told apart by what the
    merge left. One that left the head itself tells nothing apart."""
    listening = Listening(tmp_path, "github")
    made = listening.made
    made.git("checkout", "--quiet", "-b", "topic")
    own = [made.commit({"b.txt": "1"}), made.commit({"b.txt": "2"})]
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "--no-edit", "topic")
    merged = {"state": "closed", "merged": True, "merged_at": "2026-03-01T09:02:00Z"}
    pull_request(listening, "one", "2026-03-01T09:02:00Z", **merged, merge_commit_sha=own[-1])
    pull = listening.pull()
    assert pull is not None
    assert pull.commits == ()
    left = made.git("rev-parse", "main")
    pull_request(listening, "two", "2026-03-01T09:03:00Z", **merged, merge_commit_sha=left)
    pull = listening.pull()
    assert pull is not None
    assert pull.commits == tuple(own)


class Machine:
    """A home folder with a database and an engine's tables, whose processes a test starts and kills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = Made(folder / "code")
        self.made.commit({"a.txt": "1"})
        self.database = make_database(folder, clock=lambda: datetime.now(UTC))
        workflow.migrate(self.database)
        self.database.tools[source.Mirrors] = source.Mirrors(folder / "mirrors")
        self.database.tools[source.Cipher] = AgeCipher.create(folder / "identity")
        kinds = by_kind(catalog.KINDS)
        docs = load_documents(PLATFORM % self.made.root, "platform.yaml", kinds)
        with self.database.begin() as uow:
            catalog.apply(uow, SYSTEM, [doc for doc, _ in docs])
        self.seal()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.running: list[Worker] = []

    def seal(self) -> None:
        """Set the webhook's secret."""
        with self.database.begin() as uow:
            access.apply(uow, SYSTEM, [access.UserDocument(name="root", roles=["admin"])])
            source.set_credential(uow, Actor("root"), "shop-code", "webhook", SECRET.decode())

    def start(self, program: str, *words: str) -> Worker:
        """A process of this machine."""
        self.running.append(Worker(program, str(self.folder), *words))
        return self.running[-1]

    def serve(self, death: str = "never") -> Worker:
        """A server, which dies by itself when it is told to."""
        return self.start(SERVER, str(self.port), death)

    def deliver(self, number: int) -> int | None:
        """The answer's status; None: the server died."""
        one = sent("github", 0, id=f"n-{number}")
        one = one.but(body=one.body.replace(b'"forced": false', b'"forced": false, "n": %d' % number))
        try:
            url = f"http://127.0.0.1:{self.port}/hooks/shop-code"
            return httpx.post(url, content=one.body, headers=one.headers, timeout=30).status_code
        except httpx.TransportError:
            return None

    def has(self, commit: str) -> bool:
        """Whether the mirror's branch is there, and recorded."""
        with self.database.read() as uow, contextlib.suppress(Exception):
            return source.resolve(source.open_repo(uow, "shop"), "main") == commit
        return False

    def rows(self) -> list[tuple[str, int]]:
        """What was delivered, and how often."""
        with self.database.read() as uow:
            return [(each.delivery_id, each.times) for each in source.deliveries(uow, "shop-code").items]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for each in made.running:
        each.kill()
    made.database.dispose()


def test_a_server_that_is_killed_before_it_committed_took_nothing(machine: Machine) -> None:
    """The forge hears nothing and sends again; then it is there once, and fetched."""
    machine.serve("before")
    assert machine.deliver(1) is None
    assert machine.rows() == []
    machine.serve()
    assert machine.deliver(1) == 202
    machine.start(WORKER)
    head = machine.made.git("rev-parse", "HEAD")
    wait_until(lambda: machine.has(head), "the commit")
    assert machine.rows() == [("n-1", 1)]


def test_a_server_that_is_killed_after_it_committed_lost_nothing(machine: Machine) -> None:
    """The forge hears nothing; delivery and wish to fetch are there already. Sent again, it is known."""
    machine.serve("after")
    assert machine.deliver(1) is None
    machine.start(WORKER)
    head = machine.made.git("rev-parse", "HEAD")
    wait_until(lambda: machine.has(head), "the commit")
    machine.serve()
    assert machine.deliver(1) == 200
    assert machine.rows() == [("n-1", 2)]


def test_a_worker_that_is_killed_while_it_fetches(machine: Machine) -> None:
    """Killed in the middle of a fetch: the next worker takes the flow up, and the commit arrives."""
    machine.serve()
    worker = machine.start(WORKER)
    assert machine.deliver(1) == 202
    wait_until(lambda: machine.has(machine.made.git("rev-parse", "HEAD")), "the first commit")
    pushed = machine.made.commit({"a.txt": "2"})
    with (machine.folder / "mirrors/shop-code.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # the fetch waits here
        assert machine.deliver(2) == 202
        wait_until(lambda: _is_running(machine.database), "the fetch to begin")
        worker.kill()
    assert not machine.has(pushed)
    machine.start(WORKER)
    wait_until(lambda: machine.has(pushed), "the second commit")


def _is_running(database: Database) -> bool:
    query = "select count(*) from workflow_status where status = 'PENDING' and name = 'source.follow'"
    with database.read() as uow:
        return bool(uow.connection.execute(sa.text(query)).scalar_one())
