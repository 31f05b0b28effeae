"""The maven recipe: jars, built offline from a repository that holds what the lock names and nothing else.

Rules:
1. Fetching has a network and runs no code; Maven runs in the sandbox, offline, on a repository that it cannot
   write to. A plug-in or a dependency that the lock leaves out is not there.
2. Settings of the machine and its users are not read.
3. Times in jars are the commit's, by `project.build.outputTimestamp`.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from packageurl import PackageURL

from clearway import source
from clearway.build import maven_lock
from clearway.build.model import BuildFailed
from clearway.build.outputs import match
from clearway.build.parts import Part
from clearway.build.ports import Jars, Mount
from clearway.build.products import Product, digest_file
from clearway.build.steps import Steps
from clearway.build.testing import judge
from clearway.build.work import Work
from clearway.kernel import NotFound

from .compilers import tool_of
from .made import compare, made

DEFAULT_OUTPUTS = ("**/target/*.jar", "**/target/*.war")
# Distributions keep the settings of Java and Maven there, and link to them from /usr.
_SETTINGS = re.compile(r"(maven|java(-\d+-\w+)?)\Z")
_MOST_TEXT = 1 << 20
_PROPERTIES = re.compile(r"META-INF/maven/([^/]+)/([^/]+)/pom\.properties\Z")
_SUMMARY = re.compile(r"Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)\s*$", re.MULTILINE)


def make(steps: Steps) -> dict[str, Any]:
    """The whole recipe."""
    fetched = steps.do("fetch", fetch)
    first = steps.do("build 1", lambda work: _build_first(work, fetched["tree"]))
    compared = None
    if steps.known.twice:
        compared = steps.do(
            "build 2",
            lambda work: compare(work, first["outputs"], build(work, 2, fetched["tree"])["outputs"]),
        )
    return made(first["products"], tests=first["tests"], compared=compared, tools=fetched["parts"])


def fetch(work: Work) -> dict[str, Any]:
    """Bring what the lock names into a repository of exactly these files; only here is a network."""
    path = os.path.normpath(f"{work.facts.path}/{maven_lock.FILE}")
    try:
        text = source.read_file(work.repo, work.facts.commit, path).decode(errors="replace")
    except NotFound as error:
        raise BuildFailed(
            f"there is no {path}, so nothing says which bytes Maven may use",
            todo="docs/how-to/build-maven.md has the command that writes it.",
        ) from error
    files = maven_lock.parse(text, path)
    output = work.log.step("fetch")
    tree = work.database.tool(Jars).tree(files, output.write, work.watch)
    output.end()
    work.log.say("fetch", f"{len(files)} files, as {maven_lock.FILE} names them")
    return {"tree": str(tree), "parts": [part.as_json() for each in files if (part := _part(each))]}


def _part(file: maven_lock.MavenFile) -> Part | None:
    if file.purl is None:
        return None
    purl = PackageURL.from_string(file.purl)
    return Part(file.purl, f"{purl.namespace}:{purl.name}", purl.version or "", file.digest)


def _build_first(work: Work, tree: str) -> dict[str, Any]:
    found = build(work, 1, tree)
    return {**found, "products": products(work, found["outputs"])}


def build(work: Work, number: int, tree: str) -> dict[str, Any]:
    """Package once, in a fresh bench; tests run after the first time. Raises BuildFailed."""
    if tool_of("mvn") is None:
        raise BuildFailed("this machine has no Maven", todo="Install the package maven for its workers.")
    work.export()
    code, _ = _run(
        work, f"package {number}" if work.build.twice else "package", ["-DskipTests", "package"], tree
    )
    if code:
        raise BuildFailed(
            f"Maven failed with exit code {code}",
            todo=f"The log shows its words; what it cannot resolve is missing in {maven_lock.FILE}.",
        )
    kept = work.collect(f"out-{number}", work.project, find_outputs(work))
    outputs = {name: str(path) for name, path in kept.items()}
    return {"outputs": outputs, "tests": _test(work, tree) if number == 1 else None}


def _run(work: Work, step: str, goals: list[str], tree: str) -> tuple[int, Any]:
    repository = Mount(Path(tree), "/maven")
    settings = work.bench.source / "out/settings.xml"
    settings.write_text("<settings/>\n")
    told = work.inside("out/settings.xml")
    at = datetime.fromtimestamp(work.facts.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = ["mvn", "--batch-mode", "--offline", "--no-transfer-progress", "-s", told, "-gs", told]
    words += [f"-Dmaven.repo.local={work.sandbox.where(repository)}", "-Dstyle.color=never"]
    words += [f"-Dproject.build.outputTimestamp={at}", *goals]
    options = f"-Duser.home={work.inside('home')} -Duser.name=build -XX:+UseSerialGC -Xmx1g"
    mounts = [repository, *(Mount(path, str(path)) for path in _settings())]
    return work.run(step, words, mounts=mounts, variables={"MAVEN_OPTS": options})


def _settings() -> list[Path]:
    return sorted(each for each in Path("/etc").iterdir() if _SETTINGS.match(each.name) and each.is_dir())


def find_outputs(work: Work) -> list[str]:
    """What the definition names, else every jar and war. Raises BuildFailed without any."""
    named = work.definition.build.outputs
    found: set[str] = set()
    for glob in named or DEFAULT_OUTPUTS:
        hits = match(work.bench.source, work.project, glob)
        if named and not hits:
            raise BuildFailed(f"Maven made nothing that matches the output {glob}")
        found |= set(hits)
    if not found:
        raise BuildFailed("Maven made no jar", todo="Name `outputs` in clearway.yaml.")
    return sorted(found)


def _test(work: Work, tree: str) -> dict[str, Any] | None:
    """By the definition's command, else by Maven's own phase. Raises BuildFailed."""
    if command := list(work.definition.build.test):
        code, output = work.run("test", command)
        return judge(work, code, output, count_surefire)
    code, output = _run(work, "test", ["verify"], tree)
    said = output.tail.decode(errors="replace")
    if code == 0 and not _SUMMARY.search(said):
        return None
    return judge(work, code, output, count_surefire)


def count_surefire(log: str, code: int) -> dict[str, Any]:
    """What the summaries of surefire and failsafe say, all modules together; counts are None without any."""
    found: dict[str, Any] = {"ok": code == 0, "passed": None, "failed": None, "skipped": None, "total": None}
    # A summary of a whole run has no class and no time behind it; its line ends there.
    if runs := [tuple(map(int, each)) for each in _SUMMARY.findall(log)]:
        total, failed, errors, skipped = (sum(each) for each in zip(*runs, strict=True))
        passed = total - failed - errors - skipped
        found |= {"passed": passed, "failed": failed + errors, "skipped": skipped, "total": total}
    return found


def products(work: Work, outputs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The jars as artifacts, each with the coordinates that it carries."""
    found = []
    for name, path in sorted(outputs.items()):
        kind = PurePosixPath(name).suffix.lstrip(".")
        purl = coordinates(Path(path), kind) or PackageURL(
            "generic", name=work.build.service, version=work.facts.version, subpath=name
        )
        short = PurePosixPath(name).name
        found.append(
            Product(
                short,
                "jar" if kind in ("jar", "war") else "file",
                purl.to_string(),
                digest_file(Path(path)),
                path,
            )
        )
        work.log.say("outputs", f"{short} {found[-1].digest}")
    return [product.as_json() for product in found]


def coordinates(jar: Path, kind: str) -> PackageURL | None:
    """Group, artifact and version as the jar's own pom.properties say; None when it has none, or several."""
    try:
        with zipfile.ZipFile(jar) as archive:
            places = [match for name in archive.namelist() if (match := _PROPERTIES.match(name))]
            own = [each for each in places if jar.name.startswith(f"{each[2]}-")]
            if len(own) != 1 or archive.getinfo(own[0][0]).file_size > _MOST_TEXT:
                return None
            text = archive.read(own[0][0]).decode(errors="replace")
    except (zipfile.BadZipFile, OSError):
        return None
    version = re.search(r"^version=(\S+)$", text, re.MULTILINE)
    qualifiers = {} if kind == "jar" else {"type": kind}
    if version is None:
        return None
    return PackageURL("maven", own[0][1], own[0][2], version[1], qualifiers)
