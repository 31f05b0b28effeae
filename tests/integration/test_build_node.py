"""The node recipe with real packages from the machine's registry: locks of npm, and of pnpm."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from building import Builder, assert_nothing_matters
from repositories import Made

from clearway import artifacts, build
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox
from clearway.integrations.fetch import HttpFetcher
from clearway.storage import Blobs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("sandbox"),
    pytest.mark.skipif(not shutil.which("npm") or not shutil.which("node"), reason="no Node with npm"),
]

DEFINITION = "service: shop\nbuild:\n  recipe: node\n"
PACKAGE: dict[str, Any] = {
    "name": "@acme/greet",
    "version": "1.2.3",
    "license": "MIT",
    "main": "dist/index.js",
    "bin": {"greet": "cli.js"},
    "files": ["dist", "cli.js"],
    "dependencies": {"debug": "4.3.4", "yargs": "17.7.2"},
    "devDependencies": {"typescript": "5.4.5"},
    "scripts": {"build": "tsc index.ts --outDir dist --skipLibCheck", "test": "node --test test.js"},
}
FILES = {
    "clearway.yaml": DEFINITION,
    "package.json": json.dumps(PACKAGE, indent=1) + "\n",
    "index.ts": "export function greet(name: string): string { return `Good day, ${name}`; }\n",
    "cli.js": """#!/usr/bin/env node
const yargs = require("yargs");
const debug = require("debug")("greet");
debug("ran");
console.log(require("./dist").greet(yargs(process.argv.slice(2)).parseSync()._[0]));
""",
    "test.js": """const test = require("node:test");
const assert = require("node:assert");
const { execFileSync } = require("node:child_process");
const said = () => execFileSync("node", ["cli.js", "Ann"]).toString();
test("greets", () => assert.equal(said(), "Good day, Ann\\n"));
test("the locked version", () => assert.equal(require("debug/package.json").version, "4.3.4"));
""",
}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests here: each package is fetched once."""
    return tmp_path_factory.mktemp("store")


def lock_of(folder: Path, files: dict[str, str]) -> str:
    """What npm itself writes for a package.json."""
    place = folder / "locking"
    place.mkdir(parents=True)
    (place / "package.json").write_text(files["package.json"])
    words = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"the npm registry cannot be reached: {done.stderr[-200:]}")
    return (place / "package-lock.json").read_text()


def builder_of(place: Path, made: Made, store: Path, mode: str = "auto") -> Builder:
    place.mkdir(parents=True)
    packages = FakePackages(place / "p")
    return Builder(place, str(made.root), make_sandbox(mode), packages, fetcher=HttpFetcher(store))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path / "repository")
    made.commit({**FILES, "package-lock.json": lock_of(tmp_path, FILES)})
    return made


def bytes_of(builder: Builder, done: build.Build) -> bytes:
    with builder.database.tool(Blobs).open(done.artifacts[0].digest) as stream:
        return stream.read()


def statements(builder: Builder, done: build.Build) -> dict[str, Any]:
    with builder.database.read() as uow:
        found = artifacts.evidence(uow, done.artifacts[0].digest)
    said = [json.loads(base64.b64decode(each.envelope["payload"])) for each in found]
    return {each["predicateType"]: each["predicate"] for each in said}


def test_a_package_is_built_tested_and_packed(made: Made, tmp_path: Path, store: Path) -> None:
    """Real packages with dependencies: compiled by one, tested with the others, twice with the same bytes."""
    builder = builder_of(tmp_path / "one", made, store)
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert done.tests == {"ok": True, "passed": 2, "failed": 0, "skipped": 0, "total": 2}
    (product,) = done.artifacts
    assert (product.name, product.type) == ("acme-greet-1.2.3.tgz", "npm")
    assert product.purl == "pkg:npm/%40acme/greet@1.2.3"
    place = tmp_path / "got.tgz"
    place.write_bytes(bytes_of(builder, done))
    with tarfile.open(place) as archive:
        members = {each.name: each for each in archive.getmembers()}
    assert list(members) == ["package/package.json", "package/cli.js", "package/dist/index.js"]
    assert {each.mode for each in members.values()} <= {0o644, 0o755}
    assert {(each.mtime, each.uid, each.gid) for each in members.values()} == {(499162500, 0, 0)}


def test_a_tarball_is_the_same_whatever_is_otherwise(made: Made, tmp_path: Path, store: Path) -> None:
    """Compiled, and packed by us with fixed order, modes, owners and times."""
    builder = builder_of(tmp_path / "one", made, store)
    assert_nothing_matters(builder.reproduce(builder.run(twice=False)))


def test_the_evidence_names_every_package(made: Made, tmp_path: Path, store: Path) -> None:
    """By the digest of the lock file; what only builds is told apart; the tools of the machine are there."""
    builder = builder_of(tmp_path / "one", made, store)
    done = builder.run(twice=False)
    found = statements(builder, done)
    definition = found["https://slsa.dev/provenance/v1"]["buildDefinition"]
    by_uri = {each["uri"]: each for each in definition["resolvedDependencies"]}
    lock = json.loads((made.root / "package-lock.json").read_text())
    locked = {f"pkg:npm/{each['name']}@{each['version']}" for each in _entries(lock)}
    assert locked <= {uri.replace("%40", "@") for uri in by_uri}
    assert set(by_uri["pkg:npm/ms@2.1.2"]["digest"]) == {"sha512"}
    assert "downloadLocation" in by_uri["pkg:npm/ms@2.1.2"]
    assert by_uri["pkg:generic/node"]["digest"]["sha256"]
    assert definition["internalParameters"]["lock"]["file"] == "package-lock.json"
    bom = found["https://cyclonedx.org/bom"]
    scopes = {each["name"]: each.get("scope") for each in bom["components"]}
    assert (scopes["typescript"], scopes["yargs"]) == ("excluded", "required")
    licences = {each["name"]: json.dumps(each.get("licenses")) for each in bom["components"]}
    assert "MIT" in licences["ms"]


def _entries(lock: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": place.rpartition("node_modules/")[2], "version": entry["version"]}
        for place, entry in lock["packages"].items()
        if place
    ]


def test_neither_umask_nor_place_nor_sandbox_changes_a_byte(made: Made, tmp_path: Path, store: Path) -> None:
    """`npm pack` copies modes from the files; we do not."""
    found = []
    for name, mask, mode in (("a", 0o022, "auto"), ("a-much/longer/place", 0o077, "plain")):
        before = os.umask(mask)
        try:
            builder = builder_of(tmp_path / name, made, store, mode)
            done = builder.run(twice=False)
        finally:
            os.umask(before)
        assert done.status == "succeeded", builder.log(done.id)
        found.append(done.artifacts[0].digest)
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["semver@7.6.3", "debug@4.3.4", "yargs@17.7.2"])
def test_packages_that_nobody_here_wrote(name: str, tmp_path: Path, store: Path) -> None:
    """Published packages packed again from their own files: the same files, twice the same bytes."""
    words = ["npm", "pack", name, "--pack-destination", str(tmp_path)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"the npm registry cannot be reached: {done.stderr[-200:]}")
    (published,) = tmp_path.glob("*.tgz")
    files: dict[str, str] = {}
    with tarfile.open(published) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            assert stream is not None
            files[member.name.removeprefix("package/")] = stream.read().decode()
    said = json.loads(files["package.json"])
    said.pop("devDependencies", None)
    said.pop("scripts", None)
    files["package.json"] = json.dumps(said, indent=2) + "\n"
    made = Made(tmp_path / "repository")
    made.commit({**files, "clearway.yaml": DEFINITION, "package-lock.json": lock_of(tmp_path, files)})
    builder = builder_of(tmp_path / "one", made, store)
    built = builder.run()
    assert (built.status, built.reproduced) == ("succeeded", True), builder.log(built.id)
    place = tmp_path / "got"
    place.write_bytes(bytes_of(builder, built))
    with tarfile.open(place) as archive:
        got = {each.name.removeprefix("package/") for each in archive}
    assert got == set(files)


def test_a_second_build_needs_no_network(made: Made, tmp_path: Path) -> None:
    """Everything is in the store; another machine's store without the network says who is away."""
    first = builder_of(tmp_path / "one", made, tmp_path / "store")
    assert first.run(twice=False).status == "succeeded"
    away = HttpFetcher(tmp_path / "store", registries=_nowhere(), waits=())
    place = tmp_path / "two"
    place.mkdir()
    second = Builder(place, str(made.root), make_sandbox("auto"), FakePackages(place / "p"), fetcher=away)
    assert second.run(twice=False).status == "succeeded"
    away = HttpFetcher(tmp_path / "empty", registries=_nowhere(), waits=())
    place = tmp_path / "three"
    place.mkdir()
    third = Builder(place, str(made.root), make_sandbox("auto"), FakePackages(place / "p"), fetcher=away)
    assert "cannot be reached" in str(third.run(twice=False).error)


def _nowhere() -> Any:
    from clearway.integrations.fetch import Registries

    return Registries({"registry": "http://127.0.0.1:1/"})


PNPM = """lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      debug: {{specifier: 4.3.4, version: 4.3.4}}
packages:
  debug@4.3.4:
    resolution: {{integrity: {debug}}}
    peerDependenciesMeta: {{supports-color: {{optional: true}}}}
  ms@2.1.2:
    resolution: {{integrity: {ms}}}
snapshots:
  debug@4.3.4:
    dependencies: {{ms: 2.1.2}}
  ms@2.1.2: {{}}
"""


def test_a_lock_of_pnpm(made: Made, tmp_path: Path, store: Path) -> None:
    """Links as pnpm makes them: the project sees what it names, and each package what it needs."""
    lock = json.loads((made.root / "package-lock.json").read_text())["packages"]
    package = {"name": "a", "version": "1.0.0", "dependencies": {"debug": "4.3.4"}, "bin": "x.js"}
    package["scripts"] = {"test": "node x.js"}
    (ms,) = [entry for place, entry in lock.items() if place.endswith("/ms")]
    program = """const fs = require("fs");
require("debug")("x")("y");
const real = fs.realpathSync(require.resolve("debug"));
if (!real.includes("/.pnpm/debug@4.3.4/node_modules/debug/")) process.exit(1);
try { require("ms"); process.exit(2); } catch (error) { if (error.code != "MODULE_NOT_FOUND") throw error; }
"""
    files = {
        "package.json": json.dumps(package),
        "x.js": program,
        "pnpm-lock.yaml": PNPM.format(debug=lock["node_modules/debug"]["integrity"], ms=ms["integrity"]),
        "clearway.yaml": DEFINITION,
    }
    other = Made(tmp_path / "pnpm")
    other.commit(files)
    builder = builder_of(tmp_path / "one", other, store)
    done = builder.run()
    assert (done.status, done.reproduced) == ("succeeded", True), builder.log(done.id)
    assert (done.tests or {})["ok"]


def packed(name: str, version: str, files: dict[str, str], scripts: dict[str, str]) -> bytes:
    """A package as a registry has it."""
    out = io.BytesIO()
    members = {"package.json": json.dumps({"name": name, "version": version, "scripts": scripts}), **files}
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, text in members.items():
            info = tarfile.TarInfo(f"package/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue())


@pytest.mark.parametrize("allowed", [False, True])
def test_install_scripts_run_only_when_they_are_named(allowed: bool, tmp_path: Path) -> None:
    """The log tells of those that did not run; the provenance of those that did."""
    from clearway.build.ports import FakeFetcher

    data = packed("made", "1.0.0", {"index.js": ""}, {"postinstall": "echo here > ran.txt"})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    package = {"name": "a", "version": "1.0.0", "dependencies": {"made": "1.0.0"}, "files": ["x.txt"]}
    package["scripts"] = {"build": "cp node_modules/made/ran.txt x.txt || echo none > x.txt"}
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": package,
            "node_modules/made": {"version": "1.0.0", "integrity": integrity, "hasInstallScript": True},
        },
    }
    made = Made(tmp_path / "repository")
    text = DEFINITION + ("  scripts: [made]\n" if allowed else "")
    made.commit(
        {"clearway.yaml": text, "package.json": json.dumps(package), "package-lock.json": json.dumps(lock)}
    )
    place = tmp_path / "one"
    place.mkdir()
    fake = FakeFetcher(place / "f", {"made/-/made-1.0.0.tgz": data})
    builder = Builder(place, str(made.root), make_sandbox("auto"), FakePackages(place / "p"), fetcher=fake)
    done = builder.run(twice=False)
    assert done.status == "succeeded", builder.log(done.id)
    (tmp_path / "got").write_bytes(bytes_of(builder, done))
    with tarfile.open(tmp_path / "got") as archive:
        stream = archive.extractfile("package/x.txt")
        assert stream is not None
        assert stream.read() == (b"here\n" if allowed else b"none\n")
    assert ("has install scripts, which do not run" in builder.log(done.id)) == (not allowed)
    internal = statements(builder, done)["https://slsa.dev/provenance/v1"]["buildDefinition"][
        "internalParameters"
    ]
    assert internal["installScripts"] == (["made@1.0.0"] if allowed else [])


def test_a_lock_for_another_package_json_is_refused(made: Made, tmp_path: Path, store: Path) -> None:
    """As `npm ci` does; and without a lock file nothing is guessed."""
    changed = {**PACKAGE, "dependencies": {**PACKAGE["dependencies"], "debug": "^4"}}
    made.commit({"package.json": json.dumps(changed)})
    builder = builder_of(tmp_path / "one", made, store)
    assert "package.json wants debug ^4, package-lock.json was made for 4.3.4" in str(builder.run().error)
    made.git("rm", "-q", "package-lock.json")
    made.git("commit", "-q", "-m", "feat: none")
    assert "there is no package-lock.json" in str(builder.run().error)


@pytest.mark.parametrize(
    "member", ["package/../../../../tmp/out", "package/node_modules/../../../x", "../package/x"]
)
def test_a_hostile_package_stays_in_its_folder(member: str, tmp_path: Path) -> None:
    """The build ends, and says which package it was."""

    from clearway.build.ports import FakeFetcher

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        archive.addfile(info, io.BytesIO())
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(out.getvalue()).digest()).decode()
    package = {"name": "a", "version": "1.0.0", "dependencies": {"evil": "1.0.0"}}
    entry = {"version": "1.0.0", "integrity": integrity}
    lock = {"lockfileVersion": 3, "packages": {"": package, "node_modules/evil": entry}}
    made = Made(tmp_path / "repository")
    made.commit(
        {
            "clearway.yaml": DEFINITION,
            "package.json": json.dumps(package),
            "package-lock.json": json.dumps(lock),
        }
    )
    place = tmp_path / "one"
    place.mkdir()
    fake = FakeFetcher(place / "f", {"evil/-/evil-1.0.0.tgz": out.getvalue()})
    builder = Builder(place, str(made.root), make_sandbox("auto"), FakePackages(place / "p"), fetcher=fake)
    done = builder.run(twice=False)
    if member.startswith("../"):  # its first part is cut off, whatever it is called
        assert done.status == "succeeded"
    else:
        assert "cannot be unpacked" in str(done.error)
        assert "evil: the archive has a member that leaves its folder" in builder.log(done.id)
