"""A small system that builds: real git, real store, the given sandbox, steps run directly."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from databases import make_database
from repositories import Made

from clearway import build, catalog, config, policy, workflow
from clearway.artifacts import Signer
from clearway.artifacts.ports import MemorySigner
from clearway.build import Fetcher, Packages, Sandbox, Workshop
from clearway.build.flows import run_build, run_reproduction
from clearway.build.ports import FakeFetcher
from clearway.build.surroundings import NAMES
from clearway.kernel import SYSTEM
from clearway.source import Mirrors
from clearway.storage import Blobs, Bus, Database, FileBlobs

PLATFORM = """
kind: Team
name: store
---
kind: Environment
name: prod
order: 1
---
kind: Route
name: normal
environments: [prod]
---
kind: Service
name: shop
team: store
route: normal
repository: {repository}
"""


class Queued:
    """Stands where the engine stands and writes down what it was asked to start."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, dict[str, Any]]] = []

    def enqueue(self, uow: object, flow: str, key: str, args: dict[str, Any]) -> None:
        self.started.append((flow, key, args))


class Killed(BaseException):
    """The process ends here, as by kill -9."""


class Steps:
    """Runs steps at once and keeps their results as JSON, as the engine does; can die at a step."""

    def __init__(self) -> None:
        self.key = "test"
        self.done: dict[int, Any] = {}
        self.names: list[str] = []
        self.ran: list[str] = []
        self.die_after: int | None = None
        self.die_inside: int | None = None
        self._next = 0

    def again(self) -> Steps:
        """As after a restart: what finished is known."""
        self._next, self.die_after, self.die_inside = 0, None, None
        return self

    def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        number, self._next = self._next, self._next + 1
        if number in self.done:
            assert self.names[number] == name
            return json.loads(self.done[number])
        self.ran.append(name)
        result = json.dumps(function(*args))
        if number == self.die_inside:
            raise Killed
        self.done[number] = result
        self.names.append(name)
        if number == self.die_after:
            raise Killed
        return json.loads(result)


class Builder:
    """The system and its shortcuts."""

    def __init__(
        self,
        folder: Path,
        repository: str,
        sandbox: Sandbox,
        packages: Packages,
        bus: Bus | None = None,
        *,
        fresh: bool = True,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.queued = Queued()
        self.workshop = Workshop(folder / "builds")
        tools: dict[type[Any], Any] = {
            workflow.Starter: self.queued,
            Mirrors: Mirrors(folder / "mirrors"),
            Blobs: FileBlobs(folder / "blobs"),
            Signer: MemorySigner(),
            Sandbox: sandbox,
            Packages: packages,
            Workshop: self.workshop,
            Fetcher: fetcher or FakeFetcher(folder / "fetched"),
            build.Cache: build.Cache(folder / "cache"),
            config.Cipher: config.FakeCipher(),
            policy.Evaluator: policy.FakeEvaluator(),
        }
        self.database: Database = make_database(folder, clock=lambda: datetime.now(UTC), tools=tools, bus=bus)
        if fresh:
            declare(self.database, repository)

    def request(self, ref: str = "main", *, twice: bool = True) -> str:
        """Queue a build; returns its id."""
        with self.database.begin() as uow:
            return build.request(uow, SYSTEM, "shop", ref, twice=twice).id

    def get(self, build_id: str) -> build.Build:
        """The build as it is now."""
        with self.database.read() as uow:
            return build.get(uow, build_id)

    def log(self, build_id: str) -> str:
        """The whole log."""
        with self.database.read() as uow:
            return build.log(uow, build_id, most=1 << 26).text

    def run(self, ref: str = "main", *, twice: bool = True) -> build.Build:
        """Request a build and run it to its end."""
        build_id = self.request(ref, twice=twice)
        run_build(self.database, Steps(), build_id)
        return self.get(build_id)

    def reproduce(self, done: build.Build, steps: Steps | None = None) -> build.Reproduction:
        """Build its first artifact again from the record, with everything otherwise."""
        assert done.status == "succeeded", self.log(done.id)
        with self.database.begin() as uow:
            asked = build.request_reproduction(uow, SYSTEM, digest=done.artifacts[0].digest)
        run_reproduction(self.database, steps or Steps(), asked.id)
        with self.database.read() as uow:
            return build.reproduction(uow, asked.id)


def assert_nothing_matters(found: build.Reproduction) -> None:
    """Every variation that this machine can make was made, and the bytes are the same."""
    assert (found.status, found.verdict) == ("done", "identical"), found.report
    assert {*found.report["varied"], *found.report["not_varied"]} == set(NAMES)
    assert {"umask", "timezone", "locale", "path", "home", "variables"} <= set(found.report["varied"])


def declare(database: Database, repository: str) -> None:
    """The service `shop` with this repository."""
    _apply(database, PLATFORM.format(repository=repository))


def declare_repository(database: Database, name: str, location: str) -> None:
    """A repository of this name."""
    _apply(database, f"kind: Repository\nname: {name}\nlocation: {location}\n")


def _apply(database: Database, text: str) -> None:
    from clearway.kernel import load_documents

    docs = [
        model for model, _ in load_documents(text, "platform.yaml", lambda raw: catalog.KINDS[raw["kind"]])
    ]
    with database.begin() as uow:
        catalog.apply(uow, SYSTEM, docs)


def script_service(
    made: Made, steps: str, outputs: str = "[out.txt]", extra: str = "", files: dict[str, str] | None = None
) -> str:
    """Commit a clearway.yaml with the script recipe."""
    text = f"service: shop\nbuild:\n  recipe: script\n  outputs: {outputs}\n{extra}  steps:\n{steps}"
    return made.commit({"clearway.yaml": text, **(files or {})})
