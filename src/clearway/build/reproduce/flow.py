"""The flow of a reproduction: rebuild with everything varied; when that differs, find out what did it.

Rules:
1. One rebuild is enough when it gives the recorded bytes. Else one with nothing varied tells whether the
   variations or something else made the difference, and further ones which.
2. A variation with which the build fails is told, and left out; the rest decides.
3. Each rebuild is a checkpointed step; its bytes stay on the disk until the end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clearway.build.steps import Over, Steps
from clearway.build.surroundings import NAMES
from clearway.build.workshop import Workshop
from clearway.kernel import SYSTEM, ClearwayError
from clearway.storage import Database
from clearway.workflow import Changed, Run

from . import service
from .again import Again
from .conclude import Evidence, attach, conclude
from .model import Rebuild
from .recorded import Recorded, read_record
from .search import MOST_TRIES, Found, search

log = logging.getLogger("clearway.build")
MOST_SECONDS = 1800.0  # that the search may take
Recipes = Mapping[str, Callable[[Steps], dict[str, Any]]]


class _Failed(Exception):
    """It cannot be rebuilt at all."""


def reproduce(database: Database, run: Run, reproduction_id: str, recipes: Recipes) -> None:
    """Flow `build.reproduce`."""
    with database.begin() as uow:
        if not service.begin(uow, reproduction_id):
            return
    workshop = database.tool(Workshop)
    statements: list[Mapping[str, Any]] = []
    try:
        ended = run_reproduction(database, run, reproduction_id, recipes)
        statements = ended.pop("statements")
    except (_Failed, ClearwayError, OSError) as error:
        ended = {"status": "failed", "error": str(error)}
    except Changed as changed:
        ended = {"status": "failed", "error": f"{changed}. Ask again."}
    with database.begin() as uow:
        if service.close(uow, SYSTEM, reproduction_id, **ended):
            attach(uow, statements)
    workshop.clean(reproduction_id)


def run_reproduction(database: Database, run: Run, reproduction_id: str, recipes: Recipes) -> dict[str, Any]:
    """How it ended, with the signed statements."""
    with database.read() as uow:
        asked = service.get(uow, reproduction_id)
        recorded = read_record(uow, asked.digest, asked.build_id)
    if recorded.recipe not in recipes:
        raise _Failed(f"the recipe {recorded.recipe} is not known to this version of Clearway")
    again = Again(database, asked.id, recorded, recipes)
    tries = Tries(run, again)
    found = _experiment(tries, recorded, again)
    return dict(run.step("conclude", conclude, database, asked, recorded, found))


TICK_S = 2.1  # longer than the coarsest clock of an archive (zip: two seconds)


@dataclass
class Tries:
    """The rebuilds of one reproduction: each once, whoever asks for it."""

    run: Run
    again: Again
    done: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    count: int = 0

    def build(self, names: Sequence[str], *, anew: bool = False) -> dict[str, Any]:
        """`digests`, `seconds`, `number`, `varied`; or `error`."""
        key = tuple(names)
        if key in self.done and not anew:
            return self.done[key]
        self.count += 1
        found = dict(self.run.step(f"rebuild {self.count}", self._build, self.count, list(key)))
        self.done[key if not anew else (*key, "anew")] = found
        return found

    def _build(self, number: int, names: list[str]) -> dict[str, Any]:
        common: dict[str, Any] = {"number": number, "varied": names}
        if not names:  # within one second of another build it has the same clock, and would seem to need none
            time.sleep(TICK_S)
        try:
            made = self.again.build(number, names)
        except Over as over:
            return {**common, "error": over.result["error"]}
        except ClearwayError as error:
            return {**common, "error": str(error)}
        except Exception as error:
            log.exception("reproduction %s: rebuild %s", self.again.identity, number)
            return {**common, "error": f"Clearway itself failed: {type(error).__name__}: {error}"}
        paths = {name: str(path) for name, path in made.paths.items()}
        return {**common, "digests": dict(made.digests), "paths": paths, "seconds": made.seconds}


def _experiment(tries: Tries, recorded: Recorded, again: Again) -> Evidence:
    """Rebuild until it is clear what makes a difference. Raises _Failed."""
    wanted = dict(recorded.outputs)
    not_varied = again.not_varied()
    names = [name for name in NAMES if name not in not_varied]
    first = tries.build(names)
    found, control, second = Found(), first, first
    if first.get("digests") != wanted:
        control = tries.build(())
        if "error" in control:
            raise _Failed(control["error"])
        plain = control["digests"]
        second = control if plain == wanted else tries.build((), anew=True)
        if second.get("digests") == plain and first.get("digests") != plain:
            found = search(names, lambda group: tries.build(group).get("digests") != plain, _most(control))
        first, names = _without_failing(tries, names, first, found, not_varied)
        if "error" in first:
            first = control
    return Evidence(
        rebuilt=first,
        control=control,
        stable="error" not in second and second["digests"] == control["digests"],
        not_varied=not_varied,
        found=asdict(found),
        rebuilds=[_told(each, wanted) for each in tries.done.values()],
    )


def _most(control: Mapping[str, Any]) -> int:
    return max(4, min(MOST_TRIES, int(MOST_SECONDS / max(0.1, control["seconds"]))))


def _without_failing(
    tries: Tries, names: list[str], first: dict[str, Any], found: Found, not_varied: dict[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The rebuild that decides: without the variations with which the build fails."""
    for name in [*found.alone, *found.together]:
        failed = tries.done.get((name,), {}).get("error")
        if failed or (name in found.together and "error" in first):
            not_varied[name] = f"the build fails with it: {failed or first['error']}"
    left = [name for name in names if name not in not_varied]
    if left == names:
        return first, names
    found.alone = [name for name in found.alone if name in left]
    found.together = [name for name in found.together if name in left]
    return tries.build(left), left


def _told(found: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
    digests = found.get("digests", {})
    told = Rebuild(tuple(found["varied"]), digests == wanted, digests, round(found.get("seconds", 0.0), 2))
    return {**asdict(told), "error": found.get("error")}
