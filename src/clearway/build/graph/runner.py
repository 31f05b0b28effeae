"""Runs the steps of a build: each over the commit and what the steps before it changed.

Rules:
1. A step sees the commit's files, the changes of the steps above it in order, and nothing else: its home, its
   temporary folder and its variables are new. What it changes in the checkout is its result.
2. Steps that do not wait for each other run side by side, each on its own bench.
3. What ended is written down at once; after a crash only what had not ended runs again.
4. When a step fails, what runs beside it is stopped, and only steps whose condition asks for it still run.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clearway import catalog
from clearway.build import beside, cache
from clearway.build.cache import Cache
from clearway.build.model import BuildFailed, Cancelled
from clearway.build.outputs import read_text
from clearway.build.ports import Mount
from clearway.build.secrets import open_secrets
from clearway.build.stages import Stages
from clearway.build.stages import State as StageState
from clearway.build.testing import left_by_failed
from clearway.build.work import Work
from clearway.kernel import ClearwayError, Invalid

from . import layers
from .conditions import Conditions
from .inputs import LONG_AGO, Globs, Inputs
from .keys import key_of, place_of, reusable
from .layers import Snapshot
from .nodes import MOST_VALUE, MOST_VALUES, Node, handed_on, nodes_of, read_values

AT_ONCE = 2  # steps of one build side by side
_VALUES = "tmp/step-output"
_MOST_TEXT = MOST_VALUE * MOST_VALUES * 2

State = Literal["succeeded", "failed", "skipped"]


@dataclass(frozen=True)
class Result:
    """How a step of the graph ended."""

    name: str
    state: State
    key: str | None = None  # None: no result can answer for it
    layer: str | None = None  # the digest of what it changed
    size: int = 0
    told: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 0
    cached_from: str | None = None  # the build that ran it
    reproduced: bool | None = None  # as known when it was answered
    error: str | None = None


@dataclass
class _Bench:
    """A folder with the commit's files and some layers."""

    work: Work
    applied: tuple[str, ...]  # nodes
    seen: Snapshot | None = None  # None: take one


class _Stopped(BuildFailed):
    """Another step failed meanwhile."""


class Runner:
    """One run of the graph."""

    def __init__(
        self, work: Work, number: int, recipe: catalog.Build, known: Mapping[str, Result] | None = None
    ) -> None:
        self.work = work
        self.number = number
        self.recipe = recipe
        self.nodes = nodes_of(recipe.steps)
        self.results: dict[str, Result] = {}
        self._known = known or {}  # of the first run: what has been seen twice already is not run again
        self._cache = work.database.tool(Cache)
        self._folder = work.workshop.place(work.build.id, f"run-{number}")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stop = threading.Event()
        self._free: _Bench | None = None  # the bench that the last step left, to go on from
        self._lock = threading.Lock()
        self._conditions = Conditions(work)
        self._inputs = Inputs(work)
        self._stages = Stages(work.database, work.build.id)
        self._anew = _anew(work, self.nodes)
        self._place = place_of(work, recipe)

    def run(self) -> dict[str, Result]:
        """Every step's result. Raises BuildFailed with the first failure, once all ended; Cancelled."""
        waiting = {node.name: node for node in self.nodes}
        running: dict[Future[Result], str] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="build-step") as pool:
            try:
                while waiting or running:
                    for node in [each for each in waiting.values() if set(each.needs) <= self.results.keys()]:
                        running[pool.submit(self._one, waiting.pop(node.name))] = node.name
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for each in done:
                        running.pop(each)
                        self._take(each.result())
            except BaseException:
                self._stop.set()
                raise
        self._raise()
        return {node.name: self.results[node.name] for node in self.nodes}

    def _take(self, result: Result) -> None:
        self.results[result.name] = result
        if result.state == "failed":
            self._stop.set()

    def _raise(self) -> None:
        failed = [each for each in self.results.values() if each.state == "failed" and each.error]
        if failed:
            raise BuildFailed(str(failed[0].error))

    def _one(self, node: Node) -> Result:
        if found := self._finished(node):
            return found
        name = self._label(node)
        needs = [self._label(each) for each in self.nodes if each.name in node.needs]
        self._stages.begin(name, within=f"build {self.number}", needs=needs)
        state: StageState = "cancelled"
        more: dict[str, Any] = {}
        try:
            found = self._decide(node)
            state = "cancelled" if found.state == "failed" and not found.error else found.state
            more = {"attempts": max(found.attempts, 1), "cached_from": found.cached_from}
            return found
        finally:
            self._stages.end(name, state, **more)

    def _decide(self, node: Node) -> Result:
        try:
            if not self._conditions.hold(node, failed=self._stop.is_set()):
                return self._done(Result(node.name, "skipped"))
            return self._done(self._answer(node))
        except _Stopped:
            return Result(node.name, "failed", error=None)
        except Cancelled:
            self._stop.set()
            raise
        except ClearwayError as error:
            self._stop.set()
            text = str(error) if error.message.startswith("step ") else f"step {node.name}: {error}"
            self._say(node, f"failed: {text}")
            return Result(node.name, "failed", error=text)

    def _answer(self, node: Node) -> Result:
        above = [self.results[name] for name in node.above]
        told = handed_on({each.name: each.told for each in above})
        variables = {**node.variables, **told}
        digests = [each.layer for each in above if each.layer]
        files, epoch = self._inputs.digest(node), self._epoch(node)
        known = reusable(node) and not self.work.fresh
        key = key_of(self._place, node, files, epoch, digests, variables) if known else None
        if key and (found := self._from_cache(node, key)):
            return found
        return self._try(node, variables, key)

    def _from_cache(self, node: Node, key: str) -> Result | None:
        if node.name in self._anew:
            return None
        before = self._known.get(node.name)
        if self.number > 1 and not (before and before.key == key and before.reproduced):
            return None  # the second run is there to be run, unless two runs have been compared before
        with self.work.database.read() as uow:
            entry = cache.find(uow, key)
        if entry is None or entry.evicted_at is not None or not self._cache.holds(entry.layer):
            return None
        self._say(node, f"answered by build {entry.build_id}, which ran it in {entry.seconds:.1f} s")
        return Result(
            node.name,
            "succeeded",
            key,
            entry.layer,
            entry.size,
            entry.told,
            seconds=entry.seconds,
            cached_from=entry.build_id,
            reproduced=entry.reproduced,
        )

    def _try(self, node: Node, variables: Mapping[str, str], key: str | None) -> Result:
        retries = node.step.retries
        pause = retries.wait.total_seconds() if retries else 0.0
        attempt = 1
        while True:
            try:
                return self._run(node, variables, key, attempt)
            except (_Stopped, Cancelled):
                raise
            except BuildFailed as error:
                if retries is None or attempt > retries.times:
                    raise
                self._say(node, f"{error.message}; again in {pause:g} s (try {attempt + 1})")
            self._pause(pause)
            pause *= retries.factor
            attempt += 1

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stop.wait(min(left, 0.5)):
                raise _Stopped("another step failed")
            self.work.watch()

    def _run(self, node: Node, variables: Mapping[str, str], key: str | None, attempt: int) -> Result:
        bench = self._bench(node)
        work, checkout = bench.work, bench.work.bench.source / "source"
        before = bench.seen if bench.seen is not None else layers.snapshot(checkout)
        began = time.monotonic()
        code = self._command(work, node, variables)
        if code:
            left_by_failed(work)
            raise BuildFailed(
                f"step {node.name} failed with exit code {code}", todo="The log shows its words."
            )
        seconds = time.monotonic() - began
        after = layers.snapshot(checkout)
        made = self._folder / f"{self._position(node)}.layer"
        wanted = Globs(work.project, node.step.outputs)
        layer, seen = layers.capture(checkout, before, after, made, self._epoch(node), wanted=wanted)
        self._cache.put(made, layer.digest)
        told = self._told(work)
        if not node.step.outputs and not node.step.inputs:
            self._leave(_Bench(work, (*bench.applied, node.name), seen))
        return Result(node.name, "succeeded", key, layer.digest, layer.size, told, seconds, attempt)

    def _told(self, work: Work) -> dict[str, str]:
        try:
            return read_values(read_text(work.bench.source, _VALUES, _MOST_TEXT))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise BuildFailed(f"what it wrote to STEP_OUTPUT cannot be read: {error}") from error

    def _command(self, work: Work, node: Node, variables: Mapping[str, str]) -> int:
        step, secrets = node.step, dict[str, bytes]()
        if step.secrets:
            with work.database.read() as uow:
                secrets = open_secrets(uow, work.build.service, step.secrets, landed=work.facts.landed)
        argv: tuple[str, ...] = step.run
        mounts: list[Mount] = []
        if step.services:
            driver = Mount(Path(beside.__file__), "/driver/beside.py")
            spec = {name: self._place.services[name] | self._seconds(name) for name in step.services}
            (work.bench.source / "tmp" / "beside.json").write_text(json.dumps(spec))
            argv = ("python", work.sandbox.where(driver), work.inside("tmp/beside.json"), "--", *step.run)
            mounts.append(driver)
        code, _ = work.run(
            self._label(node),
            argv,
            seconds=step.timeout.total_seconds(),
            mounts=mounts,
            variables={
                **self.recipe.environment,
                **variables,
                "STEP_OUTPUT": work.inside(_VALUES),
                "SOURCE_DATE_EPOCH": str(self._epoch(node)),
            },
            secrets=secrets,
            watch=lambda: self._watch(node),
        )
        return code

    def _seconds(self, name: str) -> dict[str, float]:
        return {"within": self.recipe.services[name].within.total_seconds()}

    def _watch(self, node: Node) -> None:
        if self._stop.is_set() and node.step.when is None:
            raise _Stopped("another step failed")
        self.work.watch()

    def _bench(self, node: Node) -> _Bench:
        """The bench that the step before left, when it holds just what this one should see; else another."""
        with self._lock:
            free, self._free = self._free, None
        above = tuple(name for name in node.above if self.results[name].layer)
        if free is not None and free.applied == above and not node.step.inputs:
            free.work.refresh()
            return free
        position = self._position(node)
        work = self.work.on(f"work-{position}" if position else "work")
        work.export()
        if node.step.inputs:
            wanted = Globs(work.project, node.step.inputs)
            layers.prune(work.bench.source / "source", wanted, self._epoch(node))
        for name in above:
            self._lay(work, self.results[name])
        return _Bench(work, above)

    def _epoch(self, node: Node) -> int:
        return LONG_AGO if node.step.inputs else self.work.facts.epoch

    def _leave(self, bench: _Bench) -> None:
        with self._lock:
            self._free = bench

    def _lay(self, work: Work, result: Result) -> None:
        """Lay what a step changed over the checkout of a bench. Raises BuildFailed when it is gone."""
        if result.layer is None:
            return
        if not self._cache.holds(result.layer):
            raise BuildFailed(f"what step {result.name} made is no longer in the cache", todo="Build again.")
        with self._cache.path(result.layer).open("rb") as stream:
            layers.apply(stream, work.bench.source / "source")

    def final(self) -> Work:
        """A bench with what every step changed, for the outputs."""
        ended = tuple(node.name for node in self.nodes if self.results[node.name].state == "succeeded")
        with self._lock:
            free, self._free = self._free, None
        if free is not None and free.applied == ended:
            return free.work
        work = self.work.on("work-final")
        work.export()
        for name in ended:
            self._lay(work, self.results[name])
        return work

    def _position(self, node: Node) -> int:
        return next(at for at, each in enumerate(self.nodes) if each.name == node.name)

    def _finished(self, node: Node) -> Result | None:
        try:
            found = json.loads((self._folder / f"{self._position(node)}.json").read_text())
        except FileNotFoundError:
            return None
        result = Result(**found)
        return result if result.layer is None or self._cache.holds(result.layer) else None

    def _done(self, result: Result) -> Result:
        at = next(at for at, each in enumerate(self.nodes) if each.name == result.name)
        fresh = self._folder / f"{at}.new"
        fresh.write_text(json.dumps(asdict(result)))
        os.replace(fresh, self._folder / f"{at}.json")
        return result

    def _label(self, node: Node) -> str:
        return f"{node.name} {self.number}" if self.work.build.twice else node.name

    def _say(self, node: Node, text: str) -> None:
        self.work.log.say(self._label(node), text)


def _anew(work: Work, nodes: Sequence[Node]) -> set[str]:
    """The nodes that somebody asked to run again, with what comes after them."""
    asked = work.build.anew
    if asked is None:
        return set()
    first = {each.name for each in nodes if asked in ("*", each.step.name, each.name)}
    if not first:
        known = ", ".join(dict.fromkeys(each.step.name for each in nodes))
        raise Invalid(f"there is no step {asked}", expected=known)
    return first | {each.name for each in nodes if first.intersection(each.above)}


def kept(
    work: Work, results: Mapping[str, Result], compared: Mapping[str, bool] | None = None
) -> list[cache.Entry]:
    """What the cache shall remember of these steps; `compared` says which of them gave the same twice."""
    with work.database.read() as uow:
        now = uow.now()
    compared = compared or {}
    return [
        cache.Entry(
            each.key,
            work.build.service,
            each.name,
            each.cached_from or work.build.id,
            each.layer,
            each.size,
            dict(each.told),
            each.seconds,
            compared.get(each.name),
            now,
        )
        for each in results.values()
        if each.key and each.layer and (each.cached_from is None or each.name in compared)
    ]
