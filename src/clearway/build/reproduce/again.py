"""One rebuild: the whole recipe once more, from the record, in surroundings that are otherwise.

Rules:
1. The recipe is the one that built it; it is not told that this is a rebuild.
2. No earlier result may answer, nothing of a rebuild is kept for later builds, and no tests run.
3. Nothing of it is left but what is compared.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clearway import catalog, source
from clearway.build.log import Log
from clearway.build.model import Build, BuildFailed, Cancelled
from clearway.build.ports import Sandbox
from clearway.build.steps import Over, Steps
from clearway.build.surroundings import NAMES, Surroundings, varied
from clearway.build.work import Facts, Work, read_definition
from clearway.build.workshop import Workshop, remove
from clearway.kernel import ClearwayError, NotFound
from clearway.storage import Database

from .recorded import Recorded, RecordedPackages

_MEMORY = Path("/dev/shm")  # noqa: S108 - folders of our own below it
_MOST_IN_MEMORY = 1 << 30  # bytes that must be free there for the other order of files
Recipes = Mapping[str, Callable[[Steps], dict[str, Any]]]


@dataclass(frozen=True)
class Made:
    """What a rebuild made."""

    digests: Mapping[str, str]
    paths: Mapping[str, Path]
    seconds: float


class Again:
    """Rebuilds one recorded build, as often as is asked for."""

    def __init__(self, database: Database, identity: str, recorded: Recorded, recipes: Recipes) -> None:
        self.database = database
        self.identity = identity
        self.recorded = recorded
        self.recipes = recipes
        self.sandbox: Sandbox = database.tool(Sandbox)
        self.workshop: Workshop = database.tool(Workshop)

    def not_varied(self) -> dict[str, str]:
        """What cannot be varied here, with the reason."""
        found = dict(self.sandbox.fixed)
        if reason := _no_other_order():
            found["file-order"] = reason
        return {name: found[name] for name in NAMES if name in found}

    def build(self, number: int, names: Sequence[str]) -> Made:
        """Build with these variations. Raises Over when it fails."""
        began = time.monotonic()
        around = varied(names, self.recorded.surroundings)
        with self._workshop(number, around) as workshop:
            log = self.workshop.log(self.identity)
            try:
                log.say("rebuild", f"{number}: " + (", ".join(names) or "nothing") + " otherwise")
                steps = _Again(self, around, workshop, log, number)
                made = self.recipes[self.recorded.recipe](steps)
            finally:
                log.close()
            return self._kept(number, made, time.monotonic() - began)

    def _kept(self, number: int, made: Mapping[str, Any], seconds: float) -> Made:
        """What was made, where the other rebuilds do not touch it."""
        place = self.workshop.fresh(self.identity, f"made-{number}")
        paths: dict[str, Path] = {}
        for at, product in enumerate(made["products"]):
            paths[product["name"]] = place / str(at)
            _move(Path(product["path"]), paths[product["name"]])
        return Made({each["name"]: each["digest"] for each in made["products"]}, paths, seconds)

    def forget(self, number: int) -> None:
        """Remove what a rebuild made."""
        remove(self.workshop.place(self.identity, f"made-{number}"))

    @contextmanager
    def _workshop(self, number: int, around: Surroundings) -> Iterator[Workshop]:
        """The folder of one rebuild: in memory for the other order of files, else where all builds are."""
        name = f"{self.identity}.{number}"
        with ExitStack() as stack:
            stack.callback(remove, self.workshop.root / name)
            if around.file_order != "reversed" or _no_other_order() is not None:
                yield self.workshop
                return
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=_MEMORY, prefix="clearway-rebuild-"))
            stack.callback(remove, Path(folder, name))
            yield replace(self.workshop, root=Path(folder))


class _Again(Steps):
    """The steps of one rebuild; none is checkpointed, for the whole of it is."""

    def __init__(self, again: Again, around: Surroundings, workshop: Workshop, log: Log, number: int) -> None:
        recorded = again.recorded
        super().__init__(again.database, None, f"{again.identity}.{number}")  # type: ignore[arg-type]
        build = _build(again, self.build_id)
        with again.database.read() as uow:
            repo = source.open_repo(uow, recorded.service)
            branch = catalog.service(uow, recorded.service).branch
        self.facts = Facts(
            commit=recorded.commit,
            epoch=recorded.epoch,
            path=recorded.path,
            repository=recorded.repository,
            version=recorded.version,
            recipe=recorded.recipe,
            twice=False,
            tree=repo.entry(recorded.commit, ".") or "",
            landed=_landed(repo, branch, recorded.commit),
        )
        definition = read_definition(repo, recorded.commit, recorded.path, recorded.service)
        quiet = definition.build.model_copy(update={"test": ()})
        self.definition = definition.model_copy(update={"build": quiet})
        self._work = Work(again.database, build, log, self.facts, self.definition)
        self._work.workshop = workshop
        self._work.surroundings = around
        self._work.fresh = True
        self._work.packages = RecordedPackages(self._work.packages, recorded.packages)

    def do(self, name: str, function: Callable[[Work], Any]) -> Any:
        """See Steps.do."""
        work = self._work
        work._facts = self.facts
        try:
            work.go_on(None)
            return json.loads(json.dumps(function(work)))  # as the engine gives it to a build
        except Cancelled:
            raise
        except (ClearwayError, OSError) as error:
            work.log.say(name, f"failed: {error}")
            raise Over({"error": f"the rebuild failed at {name}: {error}", "status": "failed"}) from error


def _build(again: Again, identity: str) -> Build:
    recorded = again.recorded
    with again.database.read() as uow:
        now = uow.now()
    return Build(
        id=identity,
        service=recorded.service,
        ref=recorded.ref,
        twice=False,
        status="running",
        requested_by="reproduce",
        queued_at=now,
        commit=recorded.commit,
        version=recorded.version,
        mode=again.sandbox.mode,
    )


def _landed(repo: source.Repo, branch: str, commit: str) -> bool:
    try:
        return bool(source.reached(repo, source.resolve(repo, f"refs/heads/{branch}"), [commit]))
    except NotFound:
        return False


def _no_other_order() -> str | None:
    """Why files cannot be listed in another order here; None when they can."""
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return "there is no file system in memory here, which lists files in another order"
    if found.f_flag & os.ST_NOEXEC or not os.access(_MEMORY, os.W_OK):
        return "the file system in memory does not let programs run"
    if found.f_bavail * found.f_frsize < _MOST_IN_MEMORY:
        return f"the file system in memory has less than {_MOST_IN_MEMORY >> 20} MiB free"
    return None


def _move(path: Path, target: Path) -> None:
    if not path.is_file():
        raise BuildFailed(f"the rebuild lost {path.name}")
    shutil.move(path, target)
