"""The script and make recipes: a graph of commands, and the files they leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from clearway import catalog
from clearway.build import cache, provenance
from clearway.build.graph import Result, Runner, kept, resolve, shared_material
from clearway.build.model import BuildFailed
from clearway.build.outputs import match
from clearway.build.products import Product, digest_file
from clearway.build.steps import Steps
from clearway.build.testing import judge, left_by_steps
from clearway.build.work import Work
from clearway.kernel import ClearwayError

from .made import compare, made


def make(steps: Steps) -> dict[str, Any]:
    """The whole recipe."""
    first = steps.do("build 1", _build_first)
    compared = None
    if steps.known.twice:
        known = {name: Result(**each) for name, each in first["results"].items()}
        ran = [each for each in known.values() if each.state != "skipped"]
        if all(each.cached_from and each.reproduced for each in ran):
            compared = _compared_before(first, known)
        else:
            compared = steps.do("build 2", lambda work: _build_second(work, first, known))
    return made(
        first["products"],
        tests=first["tests"],
        compared=compared,
        materials=first["materials"],
        internal=_answered(first["results"]),
    )


def _answered(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """For the provenance: the steps that an earlier build ran, by the digest of all their inputs."""
    found = [
        {"step": name, "inputs": each["key"], "result": each["layer"], "invocationId": each["cached_from"]}
        for name, each in results.items()
        if each["cached_from"]
    ]
    return {"answeredSteps": found} if found else {}


def _build_first(work: Work) -> dict[str, Any]:
    found = build(work, 1)
    if not work.build.twice:
        _remember(work, found["results"])
    results = {name: asdict(each) for name, each in found["results"].items()}
    return {
        **found,
        "results": results,
        "products": products(work, found["outputs"]),
        "materials": shared_material(work),
    }


def _build_second(work: Work, first: Mapping[str, Any], known: Mapping[str, Result]) -> dict[str, Any]:
    second = build(work, 2, known)
    same = {
        name: each.layer == second["results"][name].layer
        for name, each in known.items()
        if each.layer and not second["results"][name].cached_from
    }
    _remember(work, known, same)
    return compare(work, first["outputs"], second["outputs"])


def _compared_before(first: Mapping[str, Any], known: Mapping[str, Result]) -> dict[str, Any]:
    """Every step was run twice with these inputs before, and gave the same; the outputs are of those."""
    told = {each["name"]: each["digest"] for each in first["products"]}
    return {**provenance.reproduced(told, told, first["mode"]), "by": _builders(known)}


def _builders(known: Mapping[str, Result]) -> list[str]:
    return sorted({each.cached_from for each in known.values() if each.cached_from})


def _remember(work: Work, results: Mapping[str, Result], same: Mapping[str, bool] | None = None) -> None:
    entries = kept(work, results, same)
    used = [each.key for each in results.values() if each.key and each.cached_from]
    if entries or used:
        with work.database.begin() as uow:
            cache.keep(uow, entries)
            cache.used(uow, used)


def build(work: Work, number: int, known: Mapping[str, Result] | None = None) -> dict[str, Any]:
    """The graph once; tests run after the first time. Raises BuildFailed."""
    recipe = resolve(work)
    runner = Runner(work, number, recipe, known)
    try:
        results = runner.run()
    except ClearwayError:
        _remember(work, runner.results)  # what ended well need not run again when somebody mends the rest
        raise
    bench = runner.final()
    outputs = bench.collect(f"out-{number}", work.project, find_outputs(bench, recipe))
    tests = _test(bench) if number == 1 else None
    return {
        "outputs": {name: str(path) for name, path in outputs.items()},
        "tests": tests,
        "results": results,
        "mode": work.sandbox.mode,
    }


def find_outputs(work: Work, recipe: catalog.Build) -> list[str]:
    """What the globs of the recipe match. Raises BuildFailed when one matches nothing."""
    found: set[str] = set()
    for glob in recipe.outputs:
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
        return left_by_steps(work)
    work.refresh()
    code, output = work.run("test", command)
    return judge(work, code, output)


def products(work: Work, outputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The outputs as artifacts."""
    service, version = work.build.service, work.facts.version
    found = []
    short = Counter(Path(name).name for name in outputs)
    for name, path in sorted(outputs.items()):
        called = Path(name).name if short[Path(name).name] == 1 else name
        purl = PackageURL("generic", name=service, version=version, subpath=name).to_string()
        found.append(Product(called, "file", purl, digest_file(Path(path)), path))
        work.log.say("outputs", f"{found[-1].name} {found[-1].digest}")
    return [product.as_json() for product in found]
