"""The python recipe: a PEP 517 wheel, and a bundle of it with everything it needs to run.

Rule: fetching has a network and runs no code; building runs code and has no network.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from clearway import source
from clearway.build import pep517, provenance, store
from clearway.build.graph import recalled
from clearway.build.model import BuildFailed, name_version
from clearway.build.outputs import match, read_text
from clearway.build.ports import Mount, Wheel
from clearway.build.products import digest_file
from clearway.build.steps import Steps
from clearway.build.testing import judge
from clearway.build.work import Work
from clearway.kernel import Invalid, NotFound

from .compilers import hide_paths
from .made import compare, made
from .wheels import MOST_TEXT, bundle, read_wheels, wheel_json, wheel_metadata

_LEGACY = ["setuptools>=40.8.0", "wheel"]


def make(steps: Steps) -> dict[str, Any]:
    """The whole recipe."""
    facts = steps.known
    tools = steps.do("fetch", fetch_tools)
    first = steps.do("build 1", lambda work: _build_first(work, tools))
    if missing := first.get("missing"):
        tools = steps.do("fetch more", lambda work: fetch_tools(work, missing))
        first = steps.do("build 1 again", lambda work: _whole(_build_first(work, tools)))
    steps.facts = replace(facts, version=first["version"])
    compared = _compared(steps, tools, first) if facts.twice else None
    wheel = Path(first["wheel"])
    packages = steps.do("fetch runtime", lambda work: fetch_runtime(work, wheel))
    tests = steps.do("test", lambda work: test(work, wheel, packages))
    products = steps.do("bundle", lambda work: bundle(work, wheel, packages))
    return made(
        products,
        tests=tests,
        compared=compared,
        tools=tools["wheels"],
        packages=packages,
        internal=_answered(first),
    )


def _answered(first: Mapping[str, Any]) -> dict[str, Any]:
    """For the provenance: whether an earlier build made the wheel."""
    by = first.get("answered_by")
    step = {"step": "build", "inputs": first["key"], "result": first["digest"], "invocationId": by}
    return {"answeredSteps": [step]} if by else {}


def _build_first(work: Work, tools: Mapping[str, Any]) -> dict[str, Any]:
    key = recalled.key_of(work, "build", _inputs(work, tools))
    if known := recalled.recall(work, "build", key, "out-1"):
        (wheel,) = known.files.values()
        work.log.say("build 1", f"answered by build {known.build_id}")
        found: dict[str, Any] = {"wheel": str(wheel), "digest": digest_file(wheel)}
        found["answered_by"] = known.build_id
    else:
        began = time.monotonic()
        found = build_wheel(work, 1, tools)
        if "missing" in found:
            return found
        found["seconds"] = time.monotonic() - began
        if not work.build.twice:
            _keep(work, key, found, None)
    found |= {"key": key, "mode": work.sandbox.mode}
    return {**found, "version": _version_of(work, Path(found["wheel"]))}


def _inputs(work: Work, tools: Mapping[str, Any]) -> dict[str, Any]:
    """What the wheel depends on beside the commit and the machine."""
    return {
        "tools": sorted(each["digest"] for each in tools["wheels"]),
        "wanted": list(tools["wanted"]),
        "driver": digest_file(Path(pep517.__file__)),
    }


def _keep(work: Work, key: str, found: Mapping[str, Any], reproduced: bool | None) -> None:
    folder = Path(found["wheel"]).parent
    recalled.keep(work, "build", key, folder, found["seconds"], reproduced=reproduced)


def _compared(steps: Steps, tools: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """The second run against the first; what was answered was compared by the build that ran it."""
    if by := first.get("answered_by"):
        told = {Path(first["wheel"]).name: first["digest"]}
        return {**provenance.reproduced(told, told, first["mode"]), "by": [by]}
    found: dict[str, Any] = steps.do("build 2", lambda work: _build_second(work, tools, first))
    return found


def _build_second(work: Work, tools: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    second = _whole(build_wheel(work, 2, tools))
    one, two = ({Path(each["wheel"]).name: each["wheel"]} for each in (first, second))
    found = compare(work, one, two)
    _keep(work, first["key"], first, found["identical"])
    return found


def _version_of(work: Work, wheel: Path) -> str:
    version = name_version(work.facts.version, wheel_metadata(wheel)["Version"])
    if version != work.facts.version:
        with work.database.begin() as uow:
            store.change_open(uow, work.build.id, version=version)
        work.log.say("build 1", f"the package names the version: {version}")
    return version


def _whole(result: dict[str, Any]) -> dict[str, Any]:
    if "missing" in result:
        names = ", ".join(result["missing"])
        raise Invalid(f"the build backend keeps asking for more requirements: {names}")
    return result


def project_file(work: Work) -> dict[str, Any]:
    """The commit's pyproject.toml; empty when there is none."""
    path = f"{work.facts.path}/pyproject.toml"
    try:
        text = source.read_file(work.repo, work.facts.commit, path)
    except NotFound:
        return {}
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildFailed(f"pyproject.toml cannot be read: {error}") from error


def build_requirements(work: Work) -> list[str]:
    """What the backend needs, from the build-system table."""
    table = project_file(work).get("build-system")
    found = table.get("requires", []) if isinstance(table, Mapping) else _LEGACY
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise BuildFailed("pyproject.toml: build-system.requires is not a list of texts")
    return [str(each) for each in found]


def fetch_tools(work: Work, more: Sequence[str] = ()) -> dict[str, Any]:
    """What the backend needs, and `more` that it asked for: requirements and wheels."""
    wanted = [*build_requirements(work), *more]
    return {"wanted": wanted, "wheels": _fetch(work, "fetch", wanted, prefer_installed=True)}


def fetch_runtime(work: Work, wheel: Path) -> list[dict[str, Any]]:
    """What the built wheel needs to run: always from the index, never what happens to be installed here."""
    return _fetch(work, "fetch runtime", runtime_requirements(wheel), prefer_installed=False)


def _fetch(
    work: Work, step: str, requirements: Sequence[str], *, prefer_installed: bool
) -> list[dict[str, Any]]:
    """Bring wheels to the wheelhouse; only here is a network."""
    output = work.log.step(step)
    wheels = work.packages.provide(
        requirements, prefer_installed=prefer_installed, write=output.write, watch=work.watch
    )
    output.end()
    for wheel in wheels:
        origin = "from the index" if wheel.origin == "index" else "as installed here"
        work.log.say(step, f"{wheel.name} {wheel.version} {wheel.digest[:19]} {origin}")
    if not wheels:
        work.log.say(step, "nothing is needed")
    return [wheel_json(wheel) for wheel in wheels]


def build_wheel(work: Work, number: int, tools: Mapping[str, Any]) -> dict[str, Any]:
    """Build once, in a fresh sandbox: `{"missing": [...]}` or `{"wheel": path, "digest": ...}`."""
    step = f"build {number}"
    work.export()
    hide_paths(work)  # extensions in C have the compiler's folder in their debugging tables
    packages = Mount(work.packages.environment(read_wheels(tools["wheels"])), "/packages")
    driver = Mount(Path(pep517.__file__), "/driver/pep517.py")
    bench = work.bench.source
    (bench / "known.txt").write_text("\n".join(tools["wanted"]))
    seen = work.sandbox.where(packages)
    code, _ = work.run(
        step,
        [
            "python",
            work.sandbox.where(driver),
            work.inside(work.project),
            work.inside("out"),
            work.inside("known.txt"),
        ],
        mounts=(packages, driver),
        paths=(f"{seen}/bin",),
        variables={"PYTHONPATH": f"{seen}/site"},
    )
    if code == pep517.MORE:
        return {"missing": read_text(bench, "out/requires.txt", MOST_TEXT).split("\n")}
    if code:
        raise BuildFailed(f"the build backend failed with exit code {code}", todo="The log shows its words.")
    built = match(bench, "out", "*.whl")
    if len(built) != 1:
        raise BuildFailed(f"the build backend made {len(built)} wheels; expected one")
    kept = work.collect(f"out-{number}", "out", built)[built[0]]
    work.log.say(step, f"{kept.name} {digest_file(kept)}")
    return {"wheel": str(kept), "digest": digest_file(kept)}


def runtime_requirements(wheel: Path) -> list[str]:
    """What the wheel needs to run, here, without extras."""
    found = []
    for text in wheel_metadata(wheel).get_all("Requires-Dist") or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise BuildFailed(f"{wheel.name} has a requirement that is none: {error}") from error
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirement.marker = None
            found.append(str(requirement))
    return found


def test(work: Work, wheel: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Run the service's tests in a fresh sandbox, on the wheel that was built. Raises BuildFailed."""
    command = work.definition.build.test
    if not command:
        return None
    work.export()
    own = Wheel("service", "0", wheel, digest_file(wheel), "index")
    service = work.packages.environment([own], work.workshop.fresh(work.build.id, "service"))
    mounts = (
        Mount(service, "/service"),
        Mount(work.packages.environment(read_wheels(rows)), "/packages"),
    )
    seen = [work.sandbox.where(mount) for mount in mounts]
    code, output = work.run(
        "test",
        command,
        mounts=mounts,
        paths=[f"{each}/bin" for each in seen],
        variables={"PYTHONPATH": ":".join(f"{each}/site" for each in seen)},
    )
    return judge(work, code, output)
