"""What a build was made of, as its signed provenance says; and the packages that it used, by digest.

Rules:
1. Nothing newer is used: a package that the record names is had with those bytes, or the rebuild ends.
2. Who was built elsewhere, or only uploaded, cannot be rebuilt here, and is told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from clearway import artifacts
from clearway.artifacts import PROVENANCE, Artifact
from clearway.build import service
from clearway.build.model import Build, BuildFailed
from clearway.build.ports import Packages, Watch, Wheel, Write
from clearway.build.recipes.wheels import wheel_metadata
from clearway.build.surroundings import Surroundings, read_surroundings
from clearway.kernel import NotFound, Permanent
from clearway.storage import UnitOfWork

_BUILT_HERE = "https://clearway.dev/build/"


class NotRecorded(Permanent):
    """There is nothing to rebuild it from."""

    title = "The artifact cannot be rebuilt"


@dataclass(frozen=True)
class Locked:
    """A package of the record."""

    name: str
    version: str
    digest: str
    origin: str  # "index" or "installed"


@dataclass(frozen=True)
class Recorded:
    """The inputs of a build."""

    build_id: str
    service: str
    ref: str
    commit: str
    repository: str
    path: str
    version: str
    recipe: str
    epoch: int
    mode: str  # of its sandbox
    surroundings: Surroundings
    packages: Sequence[Locked]
    materials: Sequence[Mapping[str, Any]]  # of the machine
    outputs: Mapping[str, str]  # name: digest
    started: str
    finished: str
    definition_digest: str = ""


def build_of(uow: UnitOfWork, digest: str) -> tuple[Artifact, Build]:
    """The artifact, and the newest build that made these bytes. Raises NotFound, NotRecorded."""
    found = artifacts.list(uow, digest=digest, limit=20).items
    if not found:
        raise NotFound(f"no artifact has the digest {digest}")
    for each in found:
        if each.build_id is not None:
            try:
                return each, service.get(uow, each.build_id)
            except NotFound:
                continue
    raise NotRecorded(
        f"{found[0].name} was not built here",
        todo="Only what Clearway built can be built again: it knows the commit and the packages.",
    )


def read_record(uow: UnitOfWork, digest: str, build_id: str) -> Recorded:
    """The inputs of the build that made an artifact. Raises NotRecorded."""
    for each in reversed(artifacts.evidence(uow, digest)):
        if each.predicate_type != PROVENANCE:
            continue
        said = each.predicate
        definition, details = said.get("buildDefinition", {}), said.get("runDetails", {})
        if details.get("metadata", {}).get("invocationId") != build_id:
            continue
        if not str(definition.get("buildType", "")).startswith(_BUILT_HERE):
            break
        try:
            return _read(build_id, each.statement, definition, details)
        except (KeyError, TypeError, ValueError) as error:
            raise NotRecorded(f"the provenance of build {build_id} lacks {error}") from error
    raise NotRecorded(f"there is no provenance of ours about {digest}")


def _read(
    build_id: str, statement: Mapping[str, Any], definition: Mapping[str, Any], details: Mapping[str, Any]
) -> Recorded:
    outside, inside = definition["externalParameters"], definition["internalParameters"]
    resolved = definition["resolvedDependencies"]
    source = next(each for each in resolved if each["name"] == "source")
    metadata = details["metadata"]
    return Recorded(
        build_id=build_id,
        service=outside["service"],
        ref=outside["ref"],
        commit=source["digest"]["gitCommit"],
        repository=outside["repository"],
        path=outside["path"],
        version=inside["version"],
        recipe=definition["buildType"].removeprefix(_BUILT_HERE).partition("/")[0],
        epoch=inside["sourceDateEpoch"],
        mode=inside["sandbox"]["mode"],
        surroundings=read_surroundings(inside.get("surroundings", {})),
        packages=[_locked(each) for each in resolved if str(each.get("uri", "")).startswith("pkg:pypi/")],
        materials=[each for each in resolved if _of_machine(each)],
        outputs={each["name"]: "sha256:" + each["digest"]["sha256"] for each in statement["subject"]},
        started=metadata["startedOn"],
        finished=metadata["finishedOn"],
        definition_digest="sha256:" + outside.get("definition", {}).get("digest", {}).get("sha256", ""),
    )


def _of_machine(row: Mapping[str, Any]) -> bool:
    return row["name"] != "source" and "origin" not in row.get("annotations", {})


def _locked(row: Mapping[str, Any]) -> Locked:
    version = str(row["uri"]).partition("?")[0].rpartition("@")[2]
    origin = str(row.get("annotations", {}).get("origin", "index"))
    return Locked(canonicalize_name(row["name"]), version, "sha256:" + row["digest"]["sha256"], origin)


def changed_tools(recorded: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of the machine is not what the record says, by name and version."""
    before = {str(each["name"]): each for each in recorded}
    today = {str(each["name"]): dict(each) for each in now}
    return [
        f"{name}: {_version(before.get(name))} then, {_version(today.get(name))} now"
        for name in sorted(before.keys() & today.keys())
        if (before[name].get("uri"), before[name].get("digest"))
        != (today[name].get("uri"), today[name].get("digest"))
    ]


def _version(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "absent"
    return str(row.get("uri", "")).rpartition("@")[2][:60] or "present"


class RecordedPackages:
    """Fulfils the Packages port with what the record names, and nothing else."""

    def __init__(self, real: Packages, locked: Sequence[Locked]) -> None:
        self._real = real
        self._locked = locked

    def provide(
        self, requirements: Sequence[str], *, prefer_installed: bool, write: Write, watch: Watch
    ) -> tuple[Wheel, ...]:
        """See Packages.provide: those of the record that satisfy the requirements and all they need."""
        first = "installed" if prefer_installed else "index"
        found: dict[str, Wheel] = {}
        seen: set[tuple[str, str]] = set()
        waiting = [(_read_requirement(text), "") for text in requirements]
        while waiting:
            requirement, extra = waiting.pop()
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            if name not in found:
                found[name] = self._get(requirement, first, write, watch)
            for wanted in ("", *sorted(requirement.extras)):
                if (name, wanted) not in seen:
                    seen.add((name, wanted))
                    needs = wheel_metadata(found[name].path).get_all("Requires-Dist") or ()
                    waiting += [(_read_requirement(text), wanted) for text in needs]
        return tuple(found[name] for name in sorted(found))

    def _get(self, requirement: Requirement, first: str, write: Write, watch: Watch) -> Wheel:
        name = canonicalize_name(requirement.name)
        fitting = [
            each
            for each in self._locked
            if each.name == name and requirement.specifier.contains(each.version, prereleases=True)
        ]
        if not fitting:
            raise BuildFailed(f"the record names no package that satisfies {requirement}")
        chosen = sorted(fitting, key=lambda each: (each.origin != first, each.version))[0]
        return self._real.recall(chosen.name, chosen.version, chosen.digest, write=write, watch=watch)

    def recall(self, name: str, version: str, digest: str, *, write: Write, watch: Watch) -> Wheel:
        """See Packages.recall."""
        return self._real.recall(name, version, digest, write=write, watch=watch)

    def environment(self, wheels: Sequence[Wheel], into: Path | None = None) -> Path:
        """See Packages.environment."""
        return self._real.environment(wheels, into)


def _read_requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise BuildFailed(f"{text!r} is not a requirement: {error}") from None
