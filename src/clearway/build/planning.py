"""What building a branch, tag or commit would do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clearway import access, catalog, source
from clearway.kernel import Actor
from clearway.storage import Database

from .graph import PlannedStep, plan_steps
from .learning import learn
from .log import Log
from .model import Build
from .work import Work

PLANS: Mapping[str, Callable[[Work], list[PlannedStep]]] = {"script": plan_steps, "make": plan_steps}


@dataclass(frozen=True)
class Planned:
    """A build that nobody asked for yet."""

    service: str
    ref: str
    commit: str
    version: str
    recipe: str
    mode: str  # how its commands would be kept apart
    steps: tuple[PlannedStep, ...]  # empty for a recipe whose steps are its own affair
    outputs: tuple[str, ...]


def plan(database: Database, actor: Actor, service: str, ref: str = "") -> Planned:
    """Fetch the repository and look at what a build would do. Outside transactions; runs and writes nothing.

    Raises what `request` raises, and what a build says of its commit and definition.
    """
    with database.read() as uow:
        access.require(uow, actor, "build:run", service=service)
        wanted = source.check_ref(ref or catalog.service(uow, service).branch)
        now = uow.now()
    build = Build("plan", service, wanted, False, "queued", actor.name, now)
    log = Log(Path(os.devnull))
    try:
        work = Work(database, build, log)
        facts, _ = learn(work)
        work = Work(database, build, log, facts, work.known_definition)
        steps = PLANS[facts.recipe](work) if facts.recipe in PLANS else []
        return Planned(
            service,
            wanted,
            facts.commit,
            facts.version,
            facts.recipe,
            work.sandbox.mode,
            tuple(steps),
            work.definition.build.outputs,
        )
    finally:
        log.close()
