"""One build's bench: its folders, its log, and the way its commands run in the sandbox."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from clearway import catalog, source
from clearway.kernel import Invalid, NotFound, format_duration
from clearway.storage import Blobs, Database

from . import outputs, store
from .checkout import arrange
from .log import Log, Step
from .masking import Masked
from .model import Build, BuildFailed, Cancelled
from .ports import Ended, Job, Mount, Packages, Sandbox
from .surroundings import FIXED
from .workshop import Workshop, remove

DEFINITION = "clearway.yaml"
WATCH_S = 0.4  # between two looks whether somebody asked to stop
_FOLDERS = ("home", "tmp", "out", "bin")  # beside the checkout


@dataclass(frozen=True)
class Facts:
    """What the first step found out; every later step starts from it."""

    commit: str
    epoch: int  # the commit's time: SOURCE_DATE_EPOCH
    path: str  # of the service inside the repository
    repository: str  # without its password
    version: str
    recipe: str
    twice: bool
    tree: str = ""  # the commit's whole tree: what a cached result depends on
    landed: bool = False  # part of the service's branch


class Work:
    """What a step needs of one build."""

    def __init__(
        self,
        database: Database,
        build: Build,
        log: Log,
        facts: Facts | None = None,
        definition: catalog.ServiceDefinition | None = None,
    ) -> None:
        self.known_definition = definition
        self._watched = 0.0
        self.database = database
        self.build = build
        self.log = log
        self._facts = facts
        self.workshop = database.tool(Workshop)
        self.sandbox: Sandbox = database.tool(Sandbox)
        self.packages: Packages = database.tool(Packages)
        self.blobs: Blobs = database.tool(Blobs)
        self._bench = "work"
        self.surroundings = FIXED
        self.fresh = False  # no earlier result may answer, and none of this one is kept for later

    def on(self, bench: str) -> Work:
        """The same build on another bench, a folder of its own: steps may run side by side."""
        other = copy.copy(self)
        other._bench = bench
        return other

    @property
    def facts(self) -> Facts:
        """What the first step found out."""
        if self._facts is None:
            raise RuntimeError("the step of the source has not run")
        return self._facts

    @cached_property
    def repo(self) -> source.Repo:
        """The service's mirror."""
        with self.database.read() as uow:
            return source.open_repo(uow, self.build.service)

    @property
    def definition(self) -> catalog.ServiceDefinition:
        """The clearway.yaml of the commit. Raises Invalid or NotFound, with its place."""
        if self.known_definition is None:
            facts = self.facts
            self.known_definition = read_definition(self.repo, facts.commit, facts.path, self.build.service)
        return self.known_definition

    def watch(self) -> None:
        """Raises Cancelled once somebody asked for it, BuildFailed when the disk is nearly full."""
        with self.database.read() as uow:
            asked = store.cancel_asked(uow, self.build.id)
        self.go_on(asked)

    def go_on(self, cancelled: str | None) -> None:
        """What `watch` does, for whoever has just read whether somebody asked to stop."""
        self._watched = time.monotonic()
        if self.workshop.crowded():
            raise BuildFailed(
                "the build was stopped: the disk that holds the builds is nearly full",
                todo="Free some space, then build again.",
            )
        if cancelled:
            raise Cancelled(cancelled)

    def export(self) -> None:
        """The commit's files in a fresh bench."""
        work = self.workshop.fresh(self.build.id, self._bench)
        source.export_tree(self.repo, self.facts.commit, work / "source")
        arrange(work / "source", self.surroundings)
        self.refresh()

    def refresh(self) -> None:
        """Empty every folder of the bench but the checkout, for the next command."""
        work = self.bench.source
        for name in _FOLDERS:
            remove(work / name)
            (work / name).mkdir(mode=0o755)
        (work / self.surroundings.home).mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in ("python", "python3"):
            (work / "bin" / name).symlink_to(self.sandbox.python)

    @property
    def bench(self) -> Mount:
        """The folder that a job may write to."""
        place = self.workshop.place(self.build.id, self._bench)
        return Mount(place, self.surroundings.bench, writable=True)

    @property
    def project(self) -> str:
        """The service's folder in the bench."""
        return os.path.normpath(f"source/{self.facts.path}")

    def inside(self, name: str) -> str:
        """A path below the bench, as the job sees it."""
        return os.path.normpath(f"{self.sandbox.where(self.bench)}/{name}")

    def run(
        self,
        step: str,
        argv: Sequence[str],
        *,
        seconds: float | None = None,
        mounts: Sequence[Mount] = (),
        paths: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, bytes] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> tuple[int, Step]:
        """Run a command in the service's folder; returns its exit code and its output. Raises BuildFailed.

        `secrets` reach this command alone and are masked in its output. `watch` may stop it by raising.
        """
        limits = self.workshop.limits
        allowed = min(limits.seconds, seconds or self.definition.build.timeout.total_seconds())
        job = Job(
            argv=tuple(argv),
            cwd=self.inside(self.project),
            environment={
                **self.environment(paths),
                **self.definition.build.environment,
                **(variables or {}),
            },
            mounts=(self.bench, *mounts),
            limits=replace(limits, seconds=allowed),
            secrets=secrets or {},
            surroundings=self.surroundings,
        )
        if time.monotonic() - self._watched > WATCH_S:  # many short commands are a long step too
            self.watch()
        output = self.log.step(step)
        masked = Masked(job.secrets.values(), output.write)
        ended = self.sandbox.run(job, masked.write, watch or self.watch)
        masked.end()
        output.end()
        self._must_have_exited(step, ended, job)
        return ended.code, output

    def environment(self, paths: Sequence[str] = ()) -> dict[str, str]:
        """Everything that could differ between two machines is fixed here, or varied on purpose."""
        around = self.surroundings
        folders = [*paths, self.inside("bin"), "/usr/local/bin", "/usr/bin", "/bin", *around.search_path]
        return {
            "PATH": os.pathsep.join(folders),
            "HOME": self.inside(around.home),
            "TMPDIR": self.inside("tmp"),
            "USER": around.user,
            "LOGNAME": around.user,
            "LC_ALL": around.locale,
            "LANG": around.locale,
            "TZ": around.timezone,
            "SOURCE_DATE_EPOCH": str(self.facts.epoch),
            "ZERO_AR_DATE": "1",
            "PYTHONHASHSEED": around.hash_seed,
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "CI": "true",
            "NO_COLOR": "1",
            **dict(around.variables),
        }

    def _must_have_exited(self, step: str, ended: Ended, job: Job) -> None:
        match ended.state:
            case "timeout":
                limit = format_duration(timedelta(seconds=job.limits.seconds))
                raise BuildFailed(
                    f"step {step} was stopped after {limit}: it had not ended",
                    todo=f"Look for what it waits for, or raise the timeout in {DEFINITION}.",
                )
            case "memory":
                most = job.limits.memory_bytes >> 20
                raise BuildFailed(f"step {step} was stopped: it used more than {most} MiB of memory")
            case "disk":
                raise BuildFailed(
                    f"step {step} was stopped: it put more than {job.limits.disk_bytes >> 20} MiB or"
                    f" {job.limits.entries} files on the disk"
                )
            case "processes":
                raise BuildFailed(
                    f"step {step} was stopped: it ran more than {job.limits.processes} processes"
                )

    def collect(self, name: str, root: str, files: Iterable[str]) -> dict[str, Path]:
        """Copy files below `root`, a folder of the bench, to where no job can write."""
        kept = self.workshop.fresh(self.build.id, name)
        found: dict[str, Path] = {}
        for output in sorted(files):
            target = kept / output
            target.parent.mkdir(parents=True, exist_ok=True)
            outputs.copy(self.bench.source, f"{root}/{output}", target)
            found[output] = target
        return found


def read_definition(repo: source.Repo, commit: str, path: str, service: str) -> catalog.ServiceDefinition:
    """The clearway.yaml of a commit. Raises NotFound or Invalid, naming the file."""
    name = os.path.normpath(f"{path}/{DEFINITION}")
    try:
        text = source.read_file(repo, commit, name)
    except NotFound as error:
        raise NotFound(
            f"commit {commit[:12]} has no {name}", todo="Make one with `clearway init` and commit it."
        ) from error
    definition = catalog.load_definition(text, name)
    if definition.service != service:
        raise Invalid(f"it describes the service {definition.service}", where=name, expected=service)
    return definition


@contextmanager
def opened(
    database: Database,
    build: Build,
    facts: Facts | None,
    definition: catalog.ServiceDefinition | None = None,
) -> Iterator[Work]:
    """The bench of a build, with its log open."""
    log = database.tool(Workshop).log(build.id)
    try:
        yield Work(database, build, log, facts, definition)
    finally:
        log.close()
