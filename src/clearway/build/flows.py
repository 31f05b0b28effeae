"""The flow of a build: one checkpointed step after another; a step begun again starts from a clean bench.

Rules:
1. The steps are those of `steps.py` and of the recipe; each keeps its result.
2. The first and the last act are no steps: repeating them changes nothing, so a checkpoint would be a synced
   write for nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clearway import artifacts
from clearway.artifacts import Signer
from clearway.kernel import SYSTEM, ClearwayError, Retry
from clearway.storage import Blob, Database
from clearway.workflow import Changed, Flow, Run

from . import evidence, service, stages, store
from .lanes import RUN
from .learning import learn
from .ports import Packages
from .recipes import cmake, containerfile, maven, node, python, script
from .reproduce import service as reproductions
from .reproduce.flow import reproduce
from .reproduce.recorded import NotRecorded, RecordedPackages, read_record
from .steps import Over, Steps
from .work import Facts, Work

log = logging.getLogger("clearway.build")
_EVIDENCE = "evidence.jsonl"
_FINISH_TRIES = 40
Recipe = Callable[[Steps], dict[str, Any]]
RECIPES: Mapping[str, Recipe] = {
    "python": python.make,
    "node": node.make,
    "script": script.make,
    "make": script.make,
    "cmake": cmake.make,
    "containerfile": containerfile.make,
    "maven": maven.make,
}


def run_build(database: Database, run: Run, build_id: str) -> None:
    """Flow `build.run`."""
    if not _begin(database, build_id):
        return  # cancelled while it waited, or killed after its end was recorded
    steps = Steps(database, run, build_id)
    steps.packages = _recorded_packages(database, build_id)
    try:
        ended = _build(steps)
    except Over as over:
        ended = {
            "status": over.result["status"],
            "error": over.result["error"],
            "tests": over.result.get("tests"),
        }
    except Changed as changed:
        ended = {"status": "failed", "error": f"{changed}. Build it again."}
    _finish(database, build_id, ended)


def _recorded_packages(database: Database, build_id: str) -> Packages | None:
    """For a build with the same inputs as another one: the packages that its provenance names."""
    with database.read() as uow:
        build = service.get(uow, build_id)
        if build.anew != "*" or build.retry_of is None:
            return None
        before = service.get(uow, build.retry_of)
        if not before.artifacts:
            return None  # it ended before it had any inputs that count
        try:
            record = read_record(uow, before.artifacts[0].digest, before.id)
        except NotRecorded:
            return None
    return RecordedPackages(database.tool(Packages), record.packages)


def _begin(database: Database, build_id: str) -> bool:
    with database.begin() as uow:
        return store.start(uow, build_id)


def _build(steps: Steps) -> dict[str, Any]:
    steps.facts = Facts(**steps.do("source", find_source))
    made = RECIPES[steps.facts.recipe](steps)
    steps.do("store", lambda work: _store(work, made))
    return {"status": "succeeded", "error": None, "tests": made["tests"], "reproduced": made["reproduced"]}


def find_source(work: Work) -> dict[str, Any]:
    """Fetch the repository, find the commit, read its definition, choose the version."""
    build = work.build
    facts, commit = learn(work)
    work.log.say("source", f"{build.ref} is commit {facts.commit}, version {facts.version}")
    work.log.say("source", f"{commit.author}: {commit.subject}")
    if isinstance(work.packages, RecordedPackages):
        work.log.say("source", f"packages are those that build {build.retry_of} recorded")
    work.log.say("source", f"commands run in a sandbox of the kind: {work.sandbox.mode}")
    with work.database.begin() as uow:
        found = {
            "commit": facts.commit,
            "version": facts.version,
            "author": commit.author,
            "subject": commit.subject[:500],
        }
        store.change_open(uow, build.id, mode=work.sandbox.mode, **found)
    return asdict(facts)


def _store(work: Work, made: Mapping[str, Any]) -> int:
    """Bytes into the store, statements signed; the transaction that makes them count comes last."""
    products = made["products"]
    for product in products:
        artifacts.keep_file(work.blobs, Path(product["path"]), expected=product["digest"])
        work.log.say("store", f"{product['name']} {product['digest']}")
    signer = work.database.tool(Signer)
    subjects = [(product["name"], product["digest"]) for product in products]
    lines = []
    for kind, predicate in evidence.predicates(work, made):
        envelope = artifacts.sign(signer, artifacts.statement(subjects, kind, predicate))
        lines.append(json.dumps({"kind": kind, "envelope": envelope}))
    text = json.dumps({"products": products}) + "\n" + "".join(line + "\n" for line in lines)
    work.workshop.place(work.build.id, _EVIDENCE).write_text(text)
    work.log.say("store", f"{len(lines)} signed statements")
    return len(lines)


def _finish(database: Database, build_id: str, ended: Mapping[str, Any]) -> str:
    """One transaction: artifacts, evidence, row, ledger, event. Goes on trying while the database is away."""
    for attempt in range(_FINISH_TRIES):
        try:
            return _finish_once(database, build_id, dict(ended))
        except Retry:
            if attempt + 1 == _FINISH_TRIES:
                raise
            time.sleep(min(15.0, 0.5 * 2**attempt))
        except (ClearwayError, OSError, ValueError) as error:
            if ended["status"] != "succeeded":
                raise
            # Made, but not to be recorded: a clear end is better than a build that seems to run for ever.
            log.exception("build %s cannot be recorded", build_id)
            return _finish(database, build_id, {"status": "failed", "error": f"not recorded: {error}"})
    raise AssertionError("unreachable")


def _finish_once(database: Database, build_id: str, ended: dict[str, Any]) -> str:
    from .workshop import Workshop

    workshop = database.tool(Workshop)
    with database.begin() as uow:
        build = service.get(uow, build_id)
        if ended["status"] == "succeeded" and build.status == "running":
            lines = workshop.place(build_id, _EVIDENCE).read_text().splitlines()
            ended["artifacts"] = store.pack_artifacts(
                tuple(
                    artifacts.record(
                        uow,
                        SYSTEM,
                        Blob(product["digest"], Path(product["path"]).stat().st_size),
                        name=product["name"],
                        type=product["type"],
                        purl=product["purl"],
                        service=build.service,
                        version=build.version or "",
                        build_id=build_id,
                    )
                    for product in json.loads(lines[0])["products"]
                )
            )
            digest = ended["artifacts"][0]["digest"]
            for line in lines[1:]:
                found = json.loads(line)
                artifacts.attach(uow, digest, found["kind"], found["envelope"])
        told = stages.ended(stages.so_far(workshop, build_id), uow.now(), ended["status"])
        service.close(uow, SYSTEM, build_id, **ended, stages=stages.pack(told))
    workshop.clean(build_id)
    return str(ended["status"])


def run_reproduction(database: Database, run: Run, reproduction_id: str) -> None:
    """Flow `build.reproduce`."""
    reproduce(database, run, reproduction_id, RECIPES)


FLOWS: Mapping[str, Flow] = {
    RUN: Flow(run_build, queue="builds"),
    reproductions.RUN: Flow(run_reproduction, queue="builds"),
}
