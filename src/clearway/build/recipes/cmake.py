"""The cmake recipe: configure, build, test by ctest, install into a folder, and an archive of what is there.

Rules:
1. What is delivered is what the project installs, not what lies about in its build tree.
2. No path of the build is in the result: compilers map it away, run paths are relative to the file.
3. Archives of objects have no times and owners.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from clearway.build import trees
from clearway.build.checkout import settle
from clearway.build.model import BuildFailed
from clearway.build.outputs import match
from clearway.build.products import Product, digest_file
from clearway.build.steps import Steps
from clearway.build.testing import judge, left_by_steps
from clearway.build.work import Work

from .compilers import hide_paths, tool_of
from .made import compare, made

TREE, ROOT = "out/tree", "out/root"
_ARCHIVES = tuple(
    option
    for language in ("C", "CXX", "ASM")
    for option in (
        f"-DCMAKE_{language}_ARCHIVE_CREATE=<CMAKE_AR> qcD <TARGET> <LINK_FLAGS> <OBJECTS>",
        f"-DCMAKE_{language}_ARCHIVE_APPEND=<CMAKE_AR> qD <TARGET> <LINK_FLAGS> <OBJECTS>",
        f"-DCMAKE_{language}_ARCHIVE_FINISH=<CMAKE_RANLIB> -D <TARGET>",
    )
)
_SUMMARY = re.compile(r"^(\d+)% tests passed, (\d+) tests? failed out of (\d+)$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^\t *\d+ - .+ \((Skipped|Disabled)\)$", re.MULTILINE)


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


def build(work: Work, number: int) -> dict[str, Any]:
    """Everything once, in a fresh bench; tests run after the first time. Raises BuildFailed."""
    if tool_of("cmake") is None:
        raise BuildFailed("this machine has no CMake", todo="Install the package cmake for its workers.")
    work.export()
    settle(work.bench.source / "source", work.facts.epoch)  # __TIMESTAMP__ is a file's time
    hide_paths(work)
    for name in (TREE, ROOT):
        (work.bench.source / name).mkdir()
    for name, command in commands(work):
        variables = {"DESTDIR": work.inside(ROOT)} if name == "install" else {}
        code, _ = work.run(f"{name} {number}" if work.build.twice else name, command, variables=variables)
        if code:
            raise BuildFailed(f"step {name} failed with exit code {code}", todo="The log shows its words.")
    kept = work.workshop.fresh(work.build.id, f"out-{number}") / archive_name(work)
    files = trees.pack(work.bench.source, ROOT, kept, epoch=work.facts.epoch)
    if not files:
        raise BuildFailed(
            "the project installs nothing", todo="Add install(TARGETS …) rules to CMakeLists.txt."
        )
    outputs = {kept.name: str(kept), **_named(work, number)}
    return {"outputs": outputs, "tests": _test(work) if number == 1 else None}


def commands(work: Work) -> list[tuple[str, list[str]]]:
    """Name and words of each command, in order."""
    tree = work.inside(TREE)
    configure = ["cmake", "-S", work.inside(work.project), "-B", tree, "-DCMAKE_BUILD_TYPE=Release"]
    configure += ["-DCMAKE_INSTALL_PREFIX=/usr", "-DCMAKE_INSTALL_LIBDIR=lib"]
    configure += ["-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON", "-DFETCHCONTENT_FULLY_DISCONNECTED=ON", *_ARCHIVES]
    return [
        ("configure", [*configure, *work.definition.build.configure]),
        ("compile", ["cmake", "--build", tree]),
        ("install", ["cmake", "--install", tree]),
    ]


def archive_name(work: Work) -> str:
    """What the archive of the installed tree is called."""
    return f"{work.build.service}-{work.facts.version}.tar"


def _named(work: Work, number: int) -> dict[str, str]:
    """Single files of the installed tree that the definition names."""
    found: set[str] = set()
    for glob in work.definition.build.outputs:
        hits = match(work.bench.source, ROOT, glob)
        if not hits:
            raise BuildFailed(f"nothing that is installed matches the output {glob}")
        found |= set(hits)
    kept = work.collect(f"files-{number}", ROOT, found) if found else {}
    return {name: str(path) for name, path in kept.items()}


def _test(work: Work) -> dict[str, Any] | None:
    """By the definition's command, else by ctest when the project knows it. Raises BuildFailed."""
    command = list(work.definition.build.test)
    if not command:
        if not match(work.bench.source, TREE, "CTestTestfile.cmake"):
            return left_by_steps(work)
        command = ["ctest", "--test-dir", work.inside(TREE), "--output-on-failure", "--no-tests=ignore"]
    code, output = work.run("test", command)
    return judge(work, code, output, count_ctest)


def count_ctest(log: str, code: int) -> dict[str, Any]:
    """What ctest's summary says; counts are None when there is none."""
    found: dict[str, Any] = {"ok": code == 0, "passed": None, "failed": None, "skipped": None, "total": None}
    if summaries := _SUMMARY.findall(log):
        failed, total = int(summaries[-1][1]), int(summaries[-1][2])
        left_out = _LEFT_OUT.findall(log[log.rfind("% tests passed") :])
        passed = total - failed - left_out.count("Skipped")  # the disabled are not in ctest's total
        total = passed + failed + len(left_out)
        found |= {"passed": passed, "failed": failed, "skipped": len(left_out), "total": total}
    return found


def products(work: Work, outputs: dict[str, str]) -> list[dict[str, Any]]:
    """The archive first, then the files that were named."""
    service, version = work.build.service, work.facts.version
    found: list[Product] = []
    for name, path in outputs.items():
        first = not found
        purl = PackageURL("generic", name=service, version=version, subpath=None if first else name)
        kind = "archive" if first else "file"
        found.append(Product(Path(name).name, kind, purl.to_string(), digest_file(Path(path)), path))
        work.log.say("outputs", f"{found[-1].name} {found[-1].digest}")
    return [product.as_json() for product in found]
