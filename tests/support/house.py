"""A small house for tests: real rooms, real git, fakes only where the world begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from databases import make_database
from repositories import Made

from clearway import access, artifacts, build, catalog, config, deploy, releases, source, workflow
from clearway.artifacts.ports import MemorySigner
from clearway.build import store as build_store
from clearway.deploy import ports as deploy_ports
from clearway.kernel import SYSTEM, Actor, FixedClock, by_kind, load_documents
from clearway.policy import Evaluator, FakeEvaluator
from clearway.storage import Blobs, Bus, Database, FileBlobs, UnitOfWork

PLATFORM = """
{kind: Team, name: store}
---
{kind: Gate, name: tests-passed, rule: evidence.tests.failed == 0, reason: untested software is a guess}
---
{kind: Gate, name: calm, rule: incidents.open == 0, reason: one fire at a time}
---
{kind: Environment, name: dev, order: 1, promotion: automatic, gates: [tests-passed],
 strategy: {kind: recreate}, freezes_apply: false}
---
{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 1}, gates: [tests-passed],
 strategy: {kind: recreate}}
---
{kind: Environment, name: prod, type: production, order: 3, promotion: manual, approvals: {count: 1},
 gates: [tests-passed, calm], strategy: {kind: recreate}, soak: 1h}
---
{kind: Route, name: standard, environments: [dev, uat, prod]}
---
{kind: Service, name: shop, team: store, repository: /nowhere, route: standard}
---
{kind: Service, name: cart, team: store, repository: /nowhere, route: standard, depends_on: [shop]}
---
{kind: Service, name: till, team: store, repository: /nowhere, route: standard, depends_on: [cart]}
"""

PEOPLE = [
    access.UserDocument(name="dana", email="dev@example.com", aliases=["dev"], roles=["release-manager"]),
    access.UserDocument(name="rita", roles=["release-manager"]),
    access.UserDocument(name="quin", roles=["approver"], groups=["qa"]),
    access.UserDocument(name="otto", roles=["on-call"]),
    access.UserDocument(name="vera", roles=["viewer"]),
    access.UserDocument(name="root", roles=["admin"]),
]
DANA, RITA, QUIN, OTTO, VERA, ROOT = (Actor(each.name) for each in PEOPLE)

DEFINITION = """
service: shop
build: {recipe: make}
process: {command: ["./shop"]}
config:
  GREETING: {type: string, default: Hello}
  API_KEY: {type: string, secret: true, required: false}
"""


class Queue:
    """A Starter that keeps what was started, once a key, until ."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.waiting: list[tuple[str, str, dict[str, Any]]] = []

    def enqueue(self, uow: UnitOfWork, flow: str, key: str, args: dict[str, Any]) -> None:
        """See workflow.Starter."""
        if key not in self.seen:
            self.seen.add(key)
            self.waiting.append((flow, key, args))


@dataclass
class Steps:
    """A Run without an engine."""

    key: str

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """See workflow.Run."""
        return function(*args)


class Facts:
    """Facts of rooms above: set by tests."""

    def __init__(self) -> None:
        self.open_incidents = 0

    def facts(self, uow: UnitOfWork, service: str, environment: str) -> Mapping[str, Any]:
        """See releases.FactsProvider."""
        return {"incidents": {"open": self.open_incidents}}


@dataclass
class House:
    """A database with a platform, people and a git repository; flows run when a test says so."""

    folder: Path
    clock: FixedClock = field(default_factory=FixedClock)
    platform: str = PLATFORM
    postgres: bool = False
    more_flows: Mapping[str, workflow.Flow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queue = Queue()
        self.facts = Facts()
        self.target = deploy_ports.FakeTarget()
        self.evaluator = FakeEvaluator(
            {
                "evidence.tests.failed == 0": lambda facts: facts["evidence"]["tests"]["failed"] == 0,
                "incidents.open == 0": lambda facts: facts["incidents"]["open"] == 0,
            }
        )
        self.mirrors = source.Mirrors(self.folder / "mirrors")
        self.database = self._database()
        self.made = Made(self.folder / "work")
        self.commit("feat: first")
        with self.database.begin() as uow:
            access.apply(uow, SYSTEM, PEOPLE)
            self._apply(uow, self.platform)

    def _database(self) -> Database:
        bus = Bus()
        for kind, handler in (*source.SUBSCRIBERS, *releases.SUBSCRIBERS):
            bus.subscribe(kind, handler)
        tools: dict[type[Any], Any] = {
            workflow.Starter: self.queue,
            Evaluator: self.evaluator,
            releases.FactsProvider: self.facts,
            config.Cipher: config.FakeCipher(),
            source.Mirrors: self.mirrors,
            artifacts.Signer: MemorySigner(),
            Blobs: FileBlobs(self.folder / "blobs"),
            deploy.Target: self.target,
            deploy.Router: deploy_ports.FakeRouter(),
            deploy.MetricSource: deploy_ports.FakeMetrics(),
            deploy.Permit: releases.DeployPermit(),
        }
        if not self.postgres:
            return make_database(self.folder, clock=self.clock, tools=tools, bus=bus)
        from postgres import make_postgres

        database = make_postgres(self.clock, tools)
        database.bus = bus
        return database

    def apply(self, text: str) -> None:
        """Apply platform documents."""
        with self.database.begin() as uow:
            self._apply(uow, text)

    def _apply(self, uow: UnitOfWork, text: str) -> None:
        kinds = {**catalog.KINDS, **releases.KINDS}
        docs = [doc for doc, _ in load_documents(text, "platform.yaml", by_kind(kinds))]
        catalog.apply(uow, ROOT, docs)
        releases.apply(uow, ROOT, docs)

    def commit(self, message: str, definition: str = DEFINITION, **files: str) -> str:
        """A commit in the shop's repository, fetched."""
        sha = self.made.commit({"clearway.yaml": definition, **files}, message)
        self.mirrors.sync("shop", str(self.made.root))
        return sha

    def build(self, version: str, content: str = "", *, failed: int = 0) -> str:
        """A finished build of the newest commit, with evidence; returns its id."""
        commit = self.made.git("rev-parse", "HEAD")
        path = self.folder / f"shop-{version}.bundle.tar"
        path.write_text(content or version)
        with self.database.begin() as uow:
            made = build.Build(
                f"bld_{len(self.queue.seen)}_{version}_{content}",
                "shop",
                "main",
                True,
                "running",
                "dana",
                uow.now(),
            )
            build_store.add(uow, made)
            held = artifacts.put(
                uow,
                SYSTEM,
                path,
                name=path.name,
                type="bundle",
                purl="pkg:generic/shop",
                service="shop",
                version=version,
                build_id=made.id,
            )
            self._attest(
                uow, held, artifacts.TEST_RESULT, {"counts": {"passed": 3, "failed": failed, "total": 3}}
            )
            build_store.change_open(
                uow,
                made.id,
                status="succeeded",
                version=version,
                commit=commit,
                reproduced=True,
                artifacts=build_store.pack_artifacts((held,)),
                finished_at=uow.now(),
            )
        return made.id

    def _attest(self, uow: UnitOfWork, held: artifacts.Artifact, kind: str, said: Mapping[str, Any]) -> None:
        signer: artifacts.Signer = uow.tool(artifacts.Signer)
        envelope = artifacts.sign(signer, artifacts.statement([(held.name, held.digest)], kind, said))
        artifacts.attach(uow, held.digest, kind, envelope)

    def release(self, version: str, content: str = "", **more: Any) -> releases.Release:
        """Build and make a release of the newest commit."""
        build_id = self.build(version, content, **more)
        with self.database.begin() as uow:
            return releases.create(uow, DANA, "shop", build_id=build_id)

    def promote(self, version: str, environment: str, actor: Actor = DANA, **more: Any) -> releases.Promotion:
        """Ask for a promotion."""
        with self.database.begin() as uow:
            return releases.promote(uow, actor, "shop", version, environment, "because", **more)

    def approve(self, promotion_id: str, actor: Actor = RITA, plan_hash: str = "") -> releases.Promotion:
        """Sign the present plan, or the one that is given."""
        with self.database.begin() as uow:
            shown = plan_hash or releases.promotion(uow, promotion_id).plan_hash
            return releases.approve(uow, actor, promotion_id, shown, "reviewed", "fine")

    def look(self, promotion_id: str) -> releases.Promotion:
        """The promotion as it is."""
        with self.database.read() as uow:
            return releases.promotion(uow, promotion_id)

    def at(self, environment: str) -> list[releases.Promotion]:
        """The promotions to an environment, newest first."""
        with self.database.read() as uow:
            return list(releases.promotions(uow, service="shop", environment=environment).items)

    def step(self) -> None:
        """Run one flow that was started."""
        if not self.queue.waiting and not workflow.wake_due(self.database):
            self.clock.advance(1)
        if self.queue.waiting:
            flow, key, args = self.queue.waiting.pop(0)
            {**releases.FLOWS, **deploy.FLOWS}[flow].function(self.database, Steps(key), **args)

    def run(self, most: int = 500) -> None:
        """Run what was started, and what is due, until nothing is."""
        flows = {**releases.FLOWS, **deploy.FLOWS, **self.more_flows}
        for _ in range(most):
            if not self.queue.waiting and not workflow.wake_due(self.database):
                return
            while self.queue.waiting:
                flow, key, args = self.queue.waiting.pop(0)
                flows[flow].function(self.database, Steps(key), **args)
        raise AssertionError(f"still running: {self.queue.waiting}")

    def wait(self, seconds: float, step: float = 30.0) -> None:
        """Let time pass, running what wakes on the way."""
        self.run()
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            self.run()

    def to(self, environment: str, version: str) -> None:
        """Bring a release to an environment by the whole way."""
        self.promote(version, "dev")
        self.wait(60)
        if environment in ("uat", "prod"):
            self.approve(self.at("uat")[0].id)
            self.wait(60)
        if environment == "prod":
            asked = self.promote(version, "prod")
            self.approve(asked.id)
            self.wait(3700, 300)
