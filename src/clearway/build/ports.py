"""What builds need from outside: a place apart to run in, and packages."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from .maven_lock import MavenFile
from .surroundings import FIXED, Surroundings

Write = Callable[[bytes], None]
Watch = Callable[[], None]
Resource = Mapping[str, Any]  # in-toto's ResourceDescriptor


@dataclass(frozen=True)
class Mount:
    """A folder or file of ours that the job sees."""

    source: Path
    target: str  # where the job finds it, when the sandbox has a file system of its own
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """What a job may use at most."""

    seconds: float = 900.0
    memory_bytes: int = 4 << 30
    processes: int = 512
    file_bytes: int = 4 << 30  # of one file
    disk_bytes: int = 16 << 30  # of all files below its writable mounts, also those that were there before
    entries: int = 2_000_000  # files and folders there


@dataclass(frozen=True)
class Job:
    """One command. Its words and variables use the paths that `Sandbox.where` gave."""

    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]  # all of it; nothing else is inherited
    mounts: tuple[Mount, ...]
    limits: Limits = Limits()
    secrets: Mapping[str, bytes] = field(default_factory=dict)  # files for this job alone
    surroundings: Surroundings = FIXED  # its variables and paths are in the fields above already


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    state: Literal["exited", "timeout", "memory", "processes", "disk"]
    code: int  # the exit code; negative: a signal ended it
    seconds: float


class Sandbox(Protocol):
    """Runs jobs apart from each other and from us."""

    @property
    def mode(self) -> str:
        """How jobs are kept apart, in one word."""

    @property
    def builder_id(self) -> str:
        """The name of this kind of builder in a provenance; each mode has its own."""

    @property
    def promises(self) -> frozenset[str]:
        """What is kept apart: some of "network", "files", "processes"."""

    @property
    def python(self) -> str:
        """The Python that jobs find."""

    @property
    def materials(self) -> tuple[Resource, ...]:
        """What jobs find beside their mounts: interpreter, system, tools; for the provenance."""

    @property
    def fixed(self) -> Mapping[str, str]:
        """What of the surroundings cannot be varied here, with the reason."""

    def where(self, mount: Mount) -> str:
        """The path under which the job finds the mount."""

    def run(self, job: Job, write: Write, watch: Watch) -> Ended:
        """Run a job to its end, however that comes.

        Output reaches `write` as it appears. `watch` is called at least once a second. When either raises,
        the job is killed and the exception goes on. When this returns or raises, no process of it is left.
        The job's secrets are files in the folder that its variable SECRETS names; other jobs cannot see them.
        """


@dataclass(frozen=True)
class Wheel:
    """A package ready to install, in the wheelhouse."""

    name: str
    version: str
    path: Path
    digest: str
    origin: Literal["index", "installed"]  # fetched, or packed again from what runs Clearway
    location: str = ""  # where it was fetched, when that is known


class Packages(Protocol):
    """Brings Python packages; the only part of a build with a network."""

    def provide(
        self, requirements: Sequence[str], *, prefer_installed: bool, write: Write, watch: Watch
    ) -> tuple[Wheel, ...]:
        """Wheels that satisfy the requirements and all they need, sorted by name. Runs no code of theirs.

        Raises Permanent when there is no such set, Retry when the index is away.
        """

    def recall(self, name: str, version: str, digest: str, *, write: Write, watch: Watch) -> Wheel:
        """The wheel with this digest, that was provided before: kept, or had again.

        Raises Permanent when these bytes cannot be had any more, Retry when the index is away.
        """

    def environment(self, wheels: Sequence[Wheel], into: Path | None = None) -> Path:
        """A folder with exactly these wheels installed: `site/` to import, `bin/` to run.

        The same wheels give the same folder, kept for the next build; nobody writes to it. With `into`, that
        empty folder is used, and nothing is kept.
        """


@dataclass(frozen=True)
class Image:
    """An image that builds may start from."""

    reference: str  # NAME@sha256:..., as it was asked for
    digest: str  # of the manifest for this kind of machine
    path: Path  # its manifest, configuration and layers, as files that nobody writes any more


class Images(Protocol):
    """Brings images; like Packages, a part of the build with a network."""

    def fetch(self, reference: str, write: Write, watch: Watch) -> Image:
        """The image of this digest. Runs no code of it. Raises Permanent when there is none, Retry."""


@dataclass(frozen=True)
class Locked:
    """One file that a lock file names."""

    name: str  # for people: package and version
    url: str  # where the lock says it lies, or a path below the registry
    digests: tuple[str, ...]  # "sha512:..." in hexadecimal; all that are known must be right
    registry: str = ""  # "npm": `url` is a path below the registry that this machine is set to
    scope: str = ""  # of the package's name, such as "@types"; some have a registry of their own


@dataclass(frozen=True)
class Fetched:
    """Its bytes, in the store."""

    name: str
    path: Path  # not to be written to
    digest: str  # SHA-256
    size: int
    origin: Literal["network", "store"]
    location: str = ""  # the address that it has for this machine


class Fetcher(Protocol):
    """Brings what a lock file names, and nothing else; the only part of such a build with a network."""

    def fetch(self, items: Sequence[Locked], write: Write, watch: Watch) -> tuple[Fetched, ...]:
        """The files, in the order of the items, each with the digests that the lock gives.

        What the store holds is not asked for again, and is checked again. All or nothing is returned.
        Raises Permanent for other bytes, for a digest that proves nothing, and for a place that may not be
        asked; Retry when a place that may be asked is away.
        """


class Jars(Protocol):
    """Brings files of a Maven repository; like Packages, a part of the build with a network."""

    def tree(self, files: Sequence[MavenFile], write: Write, watch: Watch) -> Path:
        """A repository of exactly these files, each with its digest; nobody writes to it. Runs no code.

        Raises Permanent for other bytes and for a file that is not there, Retry when the repository is away.
        """


Program = Callable[[Job], Generator[bytes, None, int]]


@dataclass
class FakeSandbox:
    """The fake: programs are generators by the name of `argv[0]`; each yield is a second of no real time."""

    programs: Mapping[str, Program]
    mode: str = "fake"
    builder_id: str = "https://clearway.dev/builders/fake/v1"
    promises: frozenset[str] = frozenset()
    python: str = "python"
    materials: tuple[Resource, ...] = ()
    jobs: list[Job] = field(default_factory=list)
    fixed: Mapping[str, str] = field(default_factory=dict)

    def where(self, mount: Mount) -> str:
        """See Sandbox.where."""
        return str(mount.source)

    def run(self, job: Job, write: Write, watch: Watch) -> Ended:
        """See Sandbox.run."""
        self.jobs.append(job)
        running, seconds = self.programs[job.argv[0]](job), 0.0
        while True:
            watch()
            try:
                write(next(running))
            except StopIteration as end:
                return Ended("exited", end.value or 0, seconds)
            seconds += 1
            if seconds > job.limits.seconds:
                running.close()
                return Ended("timeout", -9, seconds)
            time.sleep(0)


@dataclass
class FakeImages:
    """The fake: has the images that it was given, by reference."""

    images: Mapping[str, Image] = field(default_factory=dict)

    def fetch(self, reference: str, write: Write, watch: Watch) -> Image:
        """See Images.fetch."""
        from clearway.kernel import Permanent

        watch()
        if reference not in self.images:
            raise Permanent(f"there is no image {reference}")
        return self.images[reference]


@dataclass
class FakeJars:
    """The fake: has the files that it was given, by path."""

    root: Path
    files: Mapping[str, bytes] = field(default_factory=dict)

    def tree(self, files: Sequence[MavenFile], write: Write, watch: Watch) -> Path:
        """See Jars.tree."""
        from clearway.kernel import Permanent, sha256

        place = self.root / sha256(repr(files).encode()).replace(":", "-")
        for each in files:
            watch()
            data = self.files.get(each.path)
            if data is None or sha256(data) != each.digest:
                raise Permanent(f"{each.path}: not there, or other bytes than the lock names")
            (place / each.path).parent.mkdir(parents=True, exist_ok=True)
            (place / each.path).write_bytes(data)
        return place


@dataclass
class FakePackages:
    """The fake: provides what it was given, by name; asks nobody."""

    root: Path
    wheels: Mapping[str, Wheel] = field(default_factory=dict)

    def provide(
        self, requirements: Sequence[str], *, prefer_installed: bool, write: Write, watch: Watch
    ) -> tuple[Wheel, ...]:
        """See Packages.provide."""
        from clearway.kernel import Permanent

        missing = [each for each in requirements if each not in self.wheels]
        if missing:
            raise Permanent(f"no package satisfies {', '.join(missing)}")
        return tuple(self.wheels[each] for each in sorted(set(requirements)))

    def recall(self, name: str, version: str, digest: str, *, write: Write, watch: Watch) -> Wheel:
        """See Packages.recall."""
        from clearway.kernel import Permanent

        for wheel in self.wheels.values():
            if wheel.digest == digest:
                return wheel
        raise Permanent(f"{name} {version} {digest} cannot be had any more")

    def environment(self, wheels: Sequence[Wheel], into: Path | None = None) -> Path:
        """See Packages.environment: the folder is empty."""
        place = into or self.root
        place.mkdir(parents=True, exist_ok=True)
        return place


@dataclass
class FakeFetcher:
    """The fake: a network of bytes by address, and a store in a folder. It lies where it is told to."""

    root: Path
    network: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False

    def fetch(self, items: Sequence[Locked], write: Write, watch: Watch) -> tuple[Fetched, ...]:
        """See Fetcher.fetch."""
        return tuple(self._one(item) for item in items)

    def _one(self, item: Locked) -> Fetched:
        from clearway.kernel import Permanent, Retry, sha256

        must_prove(item)
        path = self.root / item.digests[0].replace(":", "-")
        if path.exists() and is_right(path.read_bytes(), item.digests):
            return Fetched(item.name, path, sha256(path.read_bytes()), path.stat().st_size, "store", item.url)
        if self.away:
            raise Retry(f"{item.name}: nobody answers")
        self.asked.append(item.url)
        data = self.network.get(item.url)
        if data is None:
            raise Permanent(f"{item.name}: there is no {item.url}")
        if not is_right(data, item.digests):
            raise Permanent(f"{item.name}: other bytes than the lock names")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(0o444)
        return Fetched(item.name, path, sha256(data), len(data), "network", item.url)


STRONG: Mapping[str, int] = {"sha256": 64, "sha384": 96, "sha512": 128}  # hexadecimal digits


def must_prove(item: Locked) -> None:
    """Raises Permanent when no digest of an item proves what its bytes are."""
    from clearway.kernel import Permanent

    kinds = {digest.partition(":")[0] for digest in item.digests}
    if not kinds & STRONG.keys():
        weak = f"only {', '.join(sorted(kinds))}, which can be forged" if kinds else "no digest"
        raise Permanent(
            f"{item.name}: the lock file has {weak}",
            todo="Make the lock file again with a version of the tool that writes SHA-512 or SHA-256.",
        )


def is_right(data: bytes, digests: Sequence[str]) -> bool:
    """Whether the bytes have every one of the digests."""
    import hashlib

    return all(
        hashlib.new(kind, data, usedforsecurity=False).hexdigest() == value
        for kind, _, value in (digest.partition(":") for digest in digests)
    )
