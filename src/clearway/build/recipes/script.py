"""The script and make recipes: commands, one after another, and the files they leave."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from clearway.build.model import BuildFailed, count_tests, tell_tests
from clearway.build.outputs import match
from clearway.build.products import Product, digest_file
from clearway.build.steps import Steps
from clearway.build.work import Work

from .made import compare, made


def make(steps: Steps) -> dict[str, Any]:
    """The whole recipe."""
    first = steps.do("build 1", _build_first)
    compared = None
    if steps.known.twice:
        compared = steps.do(
            "build 2", lambda work: compare(work, first["outputs"], build(work, 2)["outputs"])
        )
    return made(first["products"], tests=first["tests"], compared=compared)


def _build_first(work: Work) -> dict[str, Any]:
    found = build(work, 1)
    return {**found, "products": products(work, found["outputs"])}


def commands(work: Work) -> list[tuple[str, tuple[str, ...], float | None]]:
    """Name, command and time limit of each step."""
    build = work.definition.build
    if build.recipe == "make":
        return [("make", ("make", build.target), None)]
    return [(step.name, step.run, step.timeout.total_seconds()) for step in build.steps]


def build(work: Work, number: int) -> dict[str, Any]:
    """All commands once, in a fresh bench; tests run after the first time. Raises BuildFailed."""
    work.export()
    for name, command, seconds in commands(work):
        code, _ = work.run(f"{name} {number}" if work.build.twice else name, command, seconds=seconds)
        if code:
            raise BuildFailed(f"step {name} failed with exit code {code}", todo="The log shows its words.")
    outputs = work.collect(f"out-{number}", work.project, find_outputs(work))
    tests = _test(work) if number == 1 else None
    return {"outputs": {name: str(path) for name, path in outputs.items()}, "tests": tests}


def find_outputs(work: Work) -> list[str]:
    """What the globs of the definition match. Raises BuildFailed when one matches nothing."""
    found: set[str] = set()
    for glob in work.definition.build.outputs:
        hits = match(work.bench.source, work.project, glob)
        if not hits:
            raise BuildFailed(f"the commands made nothing that matches the output {glob}")
        found |= set(hits)
    if not found:
        raise BuildFailed("the build names no outputs", todo="Add `outputs` to the build in clearway.yaml.")
    return sorted(found)


def _test(work: Work) -> dict[str, Any] | None:
    command = work.definition.build.test
    if not command:
        return None
    code, output = work.run("test", command)
    found = count_tests(output.tail.decode(errors="replace"), code)
    work.log.say("test", tell_tests(found))
    if code:
        raise BuildFailed(
            f"{tell_tests(found)} (exit code {code})", todo="The log shows which.", detail={"tests": found}
        )
    return found


def products(work: Work, outputs: dict[str, str]) -> list[dict[str, Any]]:
    """The outputs as artifacts."""
    service, version = work.build.service, work.facts.version
    made = []
    short = Counter(Path(name).name for name in outputs)
    for name, path in sorted(outputs.items()):
        called = Path(name).name if short[Path(name).name] == 1 else name
        purl = PackageURL("generic", name=service, version=version, subpath=name).to_string()
        made.append(Product(called, "file", purl, digest_file(Path(path)), path))
        work.log.say("outputs", f"{made[-1].name} {made[-1].digest}")
    return [product.as_json() for product in made]
