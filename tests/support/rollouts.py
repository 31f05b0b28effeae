"""Rollouts for tests: an engine that runs ticks one by one, a world of fakes, and places to be killed at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from databases import load_tables

from clearway import deploy, ledger, workflow
from clearway.catalog import (
    CanaryStep,
    Health,
    JudgeSpec,
    Metrics,
    Process,
    ProportionMetric,
    Selector,
    StrategySpec,
)
from clearway.deploy.ports import FakeMetrics, FakeRouter, FakeTarget, OpenPermit, Sample
from clearway.kernel import Actor, Event, FixedClock, NotFound
from clearway.storage import Blob, Blobs, Bus, Database, UnitOfWork, metadata

DEV = Actor("dev")
REQUESTS = Selector(metric="requests_total")
ERRORS = Selector(metric="requests_total", labels={"status": "5.."})
METRIC = ProportionMetric(
    name="errors", kind="proportion", numerator=ERRORS, denominator=REQUESTS, critical=True
)
CANARY = StrategySpec(
    kind="canary",
    steps=tuple(CanaryStep(weight=weight, hold=timedelta(seconds=4)) for weight in (10, 25, 50, 100)),
    warm=timedelta(seconds=30),
    judge=JudgeSpec(),
)
EVENTS = (
    deploy.DeploymentStarted,
    deploy.TrafficMoved,
    deploy.JudgementMade,
    deploy.DeploymentGoingBack,
    deploy.DeploymentFinished,
)


def digest(text: str) -> str:
    """A digest that is not of anything."""
    return "sha256:" + (text.encode().hex() + "0" * 64)[:64]


def order(version: str = "1.0.0", **changes: Any) -> deploy.Order:
    """An order for the service shop in prod."""
    given: dict[str, Any] = {
        "service": "shop",
        "environment": "prod",
        "version": version,
        "release_digest": digest("r" + version),
        "bundle_digest": digest("b" + version),
        "process": Process(
            command=("python", "-m", "shop"),
            health=Health(timeout=timedelta(seconds=10)),
            metrics=Metrics(),
            stop_grace=timedelta(seconds=2),
        ),
        "instances": 2,
        "strategy": StrategySpec(kind="blue-green", warm=timedelta(seconds=30)),
        "canary_metrics": (METRIC,),
        "reason": f"release {version}",
    }
    return deploy.Order(**given | changes)


class Killed(BaseException):
    """The process ends here, as by kill -9: nothing after it runs in this life."""


class Points:
    """Counts the places between which a process can be killed; calls `die` at the chosen one."""

    def __init__(self, at: int | None = None, die: Callable[[], None] | None = None) -> None:
        self.passed = 0
        self.at = at
        self.names: list[str] = []
        self._die = die or self._raise

    def _raise(self) -> None:
        raise Killed

    def point(self, name: str) -> None:
        """One place."""
        self.passed += 1
        self.names.append(name)
        if self.passed == self.at:
            self._die()


class Mortal:
    """Wraps a tool: before and after each call that changes the world there is a place to be killed at."""

    def __init__(self, inner: Any, points: Points, methods: tuple[str, ...]) -> None:
        self._inner, self._points, self._methods = inner, points, methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._methods:
            return found

        def called(*args: Any) -> Any:
            self._points.point(f"before {name}")
            answer = found(*args)
            self._points.point(f"after {name}")
            return answer

        return called


class MortalDatabase(Database):
    """A database with a place to be killed at just before, and just after, each commit."""

    points = Points()

    @contextmanager
    def begin(self) -> Iterator[UnitOfWork]:
        with super().begin() as uow:
            yield uow
            self.points.point("before commit")
        self.points.point("after commit")


class KnownBlobs:
    """Blobs that are always there and sound, unless they are said to be rotten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rotten: set[str] = set()
        self.gone: set[str] = set()

    def put(self, chunks: Any, expected: str | None = None) -> Blob:
        raise NotImplementedError

    def open(self, digest: str) -> BinaryIO:
        raise NotImplementedError

    def path(self, digest: str) -> Path:
        return self.folder / digest

    def exists(self, digest: str) -> bool:
        return True

    def verify(self, digest: str) -> bool:
        if digest in self.gone:
            raise NotFound(f"no bytes are stored under {digest}")
        return digest not in self.rotten


class Queue:
    """Stands where the engine stands: a queue, each key once, redelivered if killed."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self.seen: set[str] = set()

    def enqueue(self, uow: UnitOfWork, flow: str, key: str, args: dict[str, Any]) -> None:
        assert flow == "deploy.tick"
        if key not in self.seen:
            uow.after_commit(lambda: self._add(key, args))

    def _add(self, key: str, args: dict[str, Any]) -> None:
        self.seen.add(key)
        self.waiting.append((key, args))


@dataclass
class NoRun:
    """A run without steps."""

    key: str

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


@dataclass
class World:
    """Fakes, a database, and the means to let time pass."""

    folder: Path
    points: Points = field(default_factory=Points)
    target: FakeTarget = field(default_factory=FakeTarget)
    router: FakeRouter = field(default_factory=FakeRouter)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    permit: OpenPermit = field(default_factory=OpenPermit)
    queue: Queue = field(default_factory=Queue)
    clock: FixedClock = field(default_factory=FixedClock)
    events: list[Event] = field(default_factory=list)
    faulty: set[str] = field(default_factory=set)  # versions of which a tenth of the answers are errors
    traffic: int = 400  # requests a second, over everything
    overrides: Mapping[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.blobs = KnownBlobs(self.folder)
        bus = Bus()
        for kind in EVENTS:
            bus.subscribe(kind, lambda uow, event: uow.after_commit(lambda: self.events.append(event)))
        tools: dict[Any, Any] = {
            deploy.Target: Mortal(self.target, self.points, ("install", "start", "stop")),
            deploy.Router: Mortal(self.router, self.points, ("apply",)),
            deploy.MetricSource: self.metrics,
            deploy.Permit: self.permit,
            Blobs: self.blobs,
            workflow.Starter: self.queue,
        }
        load_tables()
        url = f"sqlite:///{self.folder / 'clearway.db'}"
        self.database = MortalDatabase(url, self.clock, tools | dict(self.overrides), bus)
        self.database.points = self.points
        # A killed process loses nothing that was written; only a machine that loses power does.
        sa.event.listen(
            self.database.engine, "connect", lambda made, _: made.execute("PRAGMA synchronous = OFF")
        )
        if not (self.folder / "made").exists():
            metadata.create_all(self.database.engine)
            (self.folder / "made").touch()

    # what a person does

    def begin(self, ordered: deploy.Order) -> str:
        """Start a rollout; its id."""
        with self.database.begin() as uow:
            return deploy.begin(uow, DEV, ordered).id

    def row(self, deployment_id: str) -> deploy.Deployment:
        """The rollout as it is."""
        with self.database.read() as uow:
            return deploy.deployment(uow, deployment_id)

    def instances(self, deployment_id: str) -> list[deploy.Instance]:
        """Its instances, stopped ones too."""
        from clearway.deploy import store

        with self.database.read() as uow:
            return store.load_instances(uow, {"deployment_id": deployment_id})

    def actions(self, deployment_id: str) -> list[str]:
        """What the ledger says of it, in order."""
        with self.database.read() as uow:
            found = ledger.entries(uow, subject=f"deployment:{deployment_id}", limit=1000)
        return [entry.action for entry in found.items]

    # time

    def tick(self) -> bool:
        """Run one queued tick; False when none waits. Killed: the engine delivers it again."""
        workflow.wake_due(self.database)
        if not self.queue.waiting:
            return False
        key, args = self.queue.waiting[0]
        deploy.FLOWS["deploy.tick"].function(self.database, NoRun(key), **args)
        self.queue.waiting.popleft()
        return True

    def pass_time(self, seconds: float = 0.5) -> None:
        """Let time and traffic pass."""
        self.clock.advance(seconds)
        self._serve(seconds)

    def run(self, deployment_id: str, *, most: int = 400, until: Callable[[], bool] | None = None) -> None:
        """Ticks, time and the chore until the rollout ends (or `until` says so)."""
        for _ in range(most):
            while self.tick():
                if until and until():
                    return
            if not self.row(deployment_id).active or (until and until()):
                return
            self.pass_time()
        raise AssertionError(f"it does not end: {self.row(deployment_id)}")

    def look_after(self) -> None:
        """The chore, once."""
        deploy.CHORES[0].function(self.database)

    def settle(self, seconds: int = 60) -> None:
        """The chore, each second for a while."""
        for _ in range(seconds):
            self.pass_time(1.0)
            self.look_after()

    def _serve(self, seconds: float) -> None:
        from clearway.deploy import store

        with self.database.read() as uow:
            weights = {row.service: row.weights for row in store.load_listeners(uow)}
            rows = store.load_instances(uow, {"wanted": "running"})
        for each in rows:
            group = [other for other in rows if other.group == each.group]
            share = weights.get(each.service, {}).get(each.group, 0) / len(group) / 100
            old = {s.labels["status"]: s.value for s in self.metrics.samples.get(each.port, [])}
            count = share * self.traffic * seconds
            bad = count / 10 if each.version in self.faulty else 0.0
            self.metrics.samples[each.port] = [
                Sample("requests_total", {"status": "200"}, old.get("200", 0) + round(count - bad)),
                Sample("requests_total", {"status": "500"}, old.get("500", 0) + round(bad)),
            ]

    def serving(self) -> Mapping[str, int]:
        """What the router was last told: version -> weight."""
        from clearway.deploy import store

        (route,) = self.router.history[-1].values()
        with self.database.read() as uow:
            rows = store.load_instances(uow, {})
        versions = {each.group: each.version for each in rows}
        found: dict[str, int] = {}
        for group, weight in route.weights.items():
            found[versions[group]] = found.get(versions[group], 0) + weight
        return found

    def alive(self) -> list[str]:
        """Versions of the processes that run, sorted."""
        launched = self.target.launched
        return sorted(launched[each].variables["CLEARWAY_VERSION"] for each in self.target.alive)
