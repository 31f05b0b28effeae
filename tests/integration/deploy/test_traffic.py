"""Whole rollouts with real processes behind a real Envoy, under load that never retries."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rollouts import CANARY, World, order
from services import Load, get, make_bundle, wait_until

from clearway import deploy
from clearway.catalog import CanaryStep, Health, Metrics, Process, StrategySpec
from clearway.integrations.envoy import EnvoyRouter
from clearway.integrations.local import LocalTarget, Program
from clearway.integrations.prometheus import TextScraper
from clearway.storage import Blobs, FileBlobs, read_chunks

pytestmark = [pytest.mark.integration, pytest.mark.timeout(170)]
SHORT = CANARY.model_copy(
    update={"steps": tuple(CanaryStep(weight=w, hold=timedelta(seconds=2)) for w in (10, 50, 100))}
)


class Real(World):
    """The world of the unit tests with everything in it real: processes, Envoy, bytes and time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.home = self.folder / "home"
        self.start_clearway()

    def start_clearway(self) -> None:
        """As after a restart: new objects over what is on disk."""
        self.local = LocalTarget(self.home / "local")
        self.envoy = EnvoyRouter(self.home / "router", Program)
        self.database.clock = lambda: datetime.now(UTC)
        self.database.tools.update(
            {
                deploy.Target: self.local,
                deploy.Router: self.envoy,
                deploy.MetricSource: TextScraper(),
                Blobs: FileBlobs(self.home / "blobs"),
            }
        )

    def bundle(self, version: str, fault: str = "", **changes: Any) -> deploy.Order:
        """An order for a version whose bytes are stored."""
        digest, file = make_bundle(self.folder, version, fault)
        self.database.tool(Blobs).put(read_chunks(file), digest)
        process = Process(
            command=("python", "-m", "tiny_main"),
            health=Health(timeout=timedelta(seconds=8)),
            metrics=Metrics(),
            stop_grace=timedelta(seconds=3),
        )
        return order(version, bundle_digest=digest, process=process, **changes)

    def go(self, ordered: deploy.Order, seconds: float = 60) -> deploy.Deployment:
        """Roll it out to its end, in real time."""
        made = self.begin(ordered)
        self.go_on(made, seconds)
        return self.row(made)

    def go_on(self, made: str, seconds: float = 60) -> None:
        """Ticks and the chore until it ends."""

        def ended() -> bool:
            while self.tick():
                pass
            self.look_after()
            return not self.row(made).active

        wait_until(ended, "the rollout to end", seconds)

    def port(self) -> int:
        """Where the router answers."""
        with self.database.read() as uow:
            return deploy.listeners(uow)["shop", "prod"]

    def living(self) -> list[deploy.Instance]:
        """The instances that run."""
        from clearway.deploy import store

        with self.database.read() as uow:
            return store.load_instances(uow, {"wanted": ["running", "draining"]})

    def end(self) -> None:
        """Stop everything this test started."""
        self.envoy.stop()
        for folder in (self.home / "local" / "instances").iterdir():
            self.local.stop(folder.name, 0.5)
        self.database.dispose()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    real = Real(tmp_path)
    yield real
    real.end()


def test_a_good_canary_reaches_everybody_and_drops_nothing(real: Real) -> None:
    """Through every step, and while the old side is stopped afterwards, each request gets its answer."""
    assert real.go(real.bundle("1.0.0")).outcome == "succeeded"
    with Load(real.port()) as load:
        row = real.go(real.bundle("1.1.0", strategy=SHORT.model_copy(update={"warm": timedelta(seconds=1)})))
        wait_until(lambda: (real.look_after(), len(real.living()) == 2)[1], "the old side to end")
        seen = load.versions["1.1.0"]
        wait_until(lambda: load.versions["1.1.0"] > seen + 50, "answers after the end")
    assert row.outcome == "succeeded", row.reason
    assert row.judgement
    assert row.judgement["verdict"] == "pass"
    assert load.dropped == []
    assert load.versions["1.0.0"] > 0


def test_a_bad_canary_comes_back_and_drops_nothing(real: Real) -> None:
    """A tenth of its answers are errors: the judge sees it in the real metrics, traffic goes back."""
    real.go(real.bundle("1.0.0"))
    with Load(real.port(), clients=4, pause_s=0.002) as load:
        row = real.go(real.bundle("1.2.0", "errors", strategy=SHORT))
        before = load.versions["1.2.0"]
        seen = load.versions["1.0.0"]
        wait_until(lambda: load.versions["1.0.0"] > seen + 50, "answers of the old version")
        assert load.versions["1.2.0"] == before, "nobody is sent to the bad version any more"
    assert row.outcome == "rolled-back", row.reason
    assert row.judgement
    assert row.judgement["verdict"] == "fail"
    assert load.dropped == []
    assert {each.version for each in real.living() if each.wanted == "running"} == {"1.0.0"}


@pytest.mark.parametrize("kind", ["rolling", "blue-green"])
def test_every_gentle_strategy_drops_nothing(real: Real, kind: Any) -> None:
    """Rolling and blue-green move traffic without losing a request; the rollback does so too."""
    first = real.bundle("1.0.0")
    real.go(first)
    with Load(real.port()) as load:
        strategy = StrategySpec(kind=kind, warm=timedelta(seconds=1))
        assert real.go(real.bundle("1.1.0", strategy=strategy)).outcome == "succeeded"
        assert real.go(first.model_copy(update={"kind": "rollback"})).outcome == "succeeded"
        seen = load.versions["1.0.0"]
        wait_until(lambda: load.versions["1.0.0"] > seen + 20, "the old version again")
    assert load.dropped == []
    assert load.versions["1.1.0"] > 0


def test_clearway_restarts_in_the_middle_and_adopts_what_runs(real: Real) -> None:
    """Instances and Envoy outlive Clearway: the same processes serve on, and the canary is finished."""
    real.go(real.bundle("1.0.0"))
    before = {each.id: each.pid for each in real.living()}
    with Load(real.port()) as load:
        made = real.begin(real.bundle("1.1.0", strategy=SHORT))
        wait_until(lambda: (real.tick(), real.row(made).phase == "hold")[1], "the first step")
        real.start_clearway()
        real.look_after()
        now = {each.id: each.pid for each in real.living()}
        assert before.items() <= now.items()
        real.go_on(made)
    assert real.row(made).outcome == "succeeded", real.row(made).reason
    assert load.dropped == []


def test_what_is_killed_is_started_again(real: Real) -> None:
    """An instance and then the router die; the chore brings both back at the same address."""
    real.go(real.bundle("1.0.0"))
    victim = real.living()[0]
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)

    def mended() -> bool:
        real.look_after()
        seen = {each.id: each for each in real.living()}
        return seen[victim.id].pid != victim.pid and all(e.status == "healthy" for e in seen.values())

    wait_until(mended, "both instances to be healthy")
    envoy = Program(real.home / "router" / "process").pid()
    assert envoy
    os.kill(envoy, signal.SIGKILL)
    wait_until(lambda: not real.envoy.alive(), "Envoy to be gone")
    real.look_after()
    assert get(real.port()) == (200, "1.0.0")


def test_a_process_that_ends_at_once_gets_no_traffic(real: Real) -> None:
    """The rollout ends with the process's last words; the old version never stopped serving."""
    real.go(real.bundle("1.0.0"))
    with Load(real.port()) as load:
        row = real.go(real.bundle("1.1.0", "crash"))
    assert row.outcome == "aborted-before-traffic"
    assert "no licence found" in row.reason
    assert load.dropped == []
    assert set(load.versions) == {"1.0.0"}


def test_the_running_process_says_who_it_is(real: Real) -> None:
    """From the process to its instance; nothing of its environment is in a process list or a shared file."""
    real.go(real.bundle("1.0.0"))
    ids = {each.id for each in real.living()}
    assert get(real.port(), "/who")[1] in ids
    for each in real.living():
        assert b"CLEARWAY" not in Path(f"/proc/{each.pid}/cmdline").read_bytes()
        files = list((real.home / "local" / "instances" / each.id).iterdir())
        assert {file.name for file in files} >= {"lock", "pid", "log"}
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)


@pytest.mark.parametrize("kind", ["rolling", "canary"])
def test_requests_of_three_seconds_are_not_dropped(real: Real, kind: Any) -> None:
    """The service drops what it has when it is told to end, so it is told when it has nothing more."""
    real.go(real.bundle("1.0.0"))
    wrong: list[str] = []
    served: set[str] = set()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                status, version = get(real.port(), "/slow")
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
                continue
            served.add(version) if status == 200 else wrong.append(f"{status} {version}")

    clients = [threading.Thread(target=ask) for _ in range(6)]
    for each in clients:
        each.start()
    try:
        with Load(real.port()):  # for the judge
            strategy = SHORT if kind == "canary" else StrategySpec(kind="rolling")
            strategy = strategy.model_copy(update={"warm": timedelta(0)})
            row = real.go(real.bundle("1.1.0", strategy=strategy), 100)
            wait_until(lambda: (real.look_after(), len(real.living()) == 2)[1], "the old side to end", 60)
    finally:
        stop.set()
        for each in clients:
            each.join(15)
    assert row.outcome == "succeeded", row.reason
    assert wrong == []
    assert served == {"1.0.0", "1.1.0"}
