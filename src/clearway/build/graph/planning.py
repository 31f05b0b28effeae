"""What a build would do, and which of its steps an earlier one answers; runs nothing.

A step's key depends on what the steps before it made. So after the first step that must run, the plan says
what the later ones wait for instead of guessing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from clearway import catalog
from clearway.build import cache
from clearway.build.cache import Cache, Entry, cache_table
from clearway.build.work import Work
from clearway.storage import UnitOfWork

from .conditions import Conditions
from .inputs import LONG_AGO, Inputs
from .keys import key_of, place_of, reusable
from .nodes import Node, handed_on, nodes_of
from .resolving import resolve

Way = Literal["answered", "runs", "skipped", "open"]


@dataclass(frozen=True)
class PlannedStep:
    """One step of a planned build."""

    name: str
    run: tuple[str, ...]
    needs: tuple[str, ...]
    way: Way  # "open": whether it runs depends on what an earlier step makes
    why: str
    build_id: str | None = None  # that answers it
    seconds: float | None = None  # how long it took when it ran last; None: it never did


def plan_steps(work: Work) -> list[PlannedStep]:
    """The steps of a script or make recipe, in order."""
    recipe = resolve(work)
    planner = _Planner(work, recipe)
    return [planner.step(node) for node in nodes_of(recipe.steps)]


class _Planner:
    def __init__(self, work: Work, recipe: catalog.Build) -> None:
        self._work = work
        self._place = place_of(work, recipe)
        self._conditions = Conditions(work)
        self._inputs = Inputs(work)
        self._cache = work.database.tool(Cache)
        self._found: dict[str, Entry | None] = {}  # None: skipped
        self._open: dict[str, str] = {}  # node: the one that must run first

    def step(self, node: Node) -> PlannedStep:
        def planned(way: Way, why: str, entry: Entry | None = None) -> PlannedStep:
            if way in ("runs", "open"):
                self._open[node.name] = node.name
            seconds = entry.seconds if entry else self._last(node)
            answers = entry.build_id if entry and way == "answered" else None
            return PlannedStep(node.name, node.step.run, node.needs, way, why, answers, seconds)

        if not self._conditions.hold(node, failed=False):
            self._found[node.name] = None
            return planned("skipped", f"its condition is not met: {node.step.when or 'nothing failed'}")
        first = next((self._open[name] for name in node.above if name in self._open), None)
        if not reusable(node):
            why = "it gets secrets" if node.step.secrets else "the file says cache: false"
            return planned("runs", f"nothing answers for it: {why}")
        if first is not None:
            return planned("open", f"depends on what {first} makes")
        entry = self._entry(node)
        if entry is None:
            return planned("runs", "nothing with these inputs ran before")
        if entry.evicted_at is not None:
            return planned("runs", f"its result was dropped: {entry.why}", entry)
        if not self._cache.holds(entry.layer):
            return planned("runs", "its result is no longer on the disk", entry)
        self._found[node.name] = entry
        return planned("answered", f"build {entry.build_id} ran it with the same inputs", entry)

    def _entry(self, node: Node) -> Entry | None:
        above = {name: found for name in node.above if (found := self._found[name]) is not None}
        told = handed_on({name: found.told for name, found in above.items()})
        epoch = LONG_AGO if node.step.inputs else self._work.facts.epoch
        key = key_of(
            self._place,
            node,
            self._inputs.digest(node),
            epoch,
            [found.layer for found in above.values()],
            {**node.variables, **told},
        )
        with self._work.database.read() as uow:
            return cache.find(uow, key)

    def _last(self, node: Node) -> float | None:
        with self._work.database.read() as uow:
            return last_seconds(uow, self._work.build.service, node.name)


def last_seconds(uow: UnitOfWork, service: str, step: str) -> float | None:
    """How long a step of this name took when it ran last."""
    table = cache_table.c
    query = sa.select(table.seconds).where(table.service == service, table.step == step)
    return uow.connection.execute(query.order_by(table.made_at.desc()).limit(1)).scalar()
