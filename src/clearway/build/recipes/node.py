"""The node recipe: what the lock file names is fetched and unpacked, then built, tested and packed.

Rules:
1. Fetching has a network and runs no code; everything after runs code and has no network.
2. No package runs a script for being installed, but those that clearway.yaml names.
3. The tarball is what `npm pack` packs, put together again by us with fixed order, modes, owners and times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clearway import source
from clearway.build import layout, store
from clearway.build.licences import from_package_json
from clearway.build.locks import NodeLock, asked_by, read_npm, read_pnpm
from clearway.build.model import BuildFailed, name_version
from clearway.build.outputs import match, read_text
from clearway.build.parts import Part
from clearway.build.ports import Mount
from clearway.build.products import Product, digest_file
from clearway.build.steps import Steps
from clearway.build.testing import judge, left_by_steps
from clearway.build.work import Work
from clearway.kernel import NotFound, sha256

from .compilers import tool_of
from .made import compare, made
from .node_packages import Row, copy_in, fetch, purl
from .node_tools import count_tap, materials
from .tarballs import repack

LOCKS = ("npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml")
_MOST_REPORT = 32 << 20
_NO_TEST = "no test specified"  # what `npm init` writes


def make(steps: Steps) -> dict[str, Any]:
    """The whole recipe."""
    fetched = steps.do("fetch", _fetch)
    first = steps.do("build 1", lambda work: _build_first(work, fetched))
    steps.facts = replace(steps.known, version=first["version"])
    compared = (
        steps.do("build 2", lambda work: _build_second(work, fetched, first)) if steps.known.twice else None
    )
    parts = [_part(row, first["about"].get(row["file"], {})) for row in fetched["rows"]]
    dev = {row["file"] for row in fetched["rows"] if row["dev"]}
    both = list(zip(fetched["rows"], parts, strict=True))
    return made(
        [first["product"]],
        tests=first["tests"],
        compared=compared,
        tools=[part for row, part in both if row["file"] in dev],
        packages=[part for row, part in both if row["file"] not in dev],
        materials=materials(),
        internal={"lock": fetched["lock"], "installScripts": first["scripts"]},
    )


def manifest(work: Work) -> dict[str, Any]:
    """The commit's package.json. Raises BuildFailed."""
    try:
        said = json.loads(source.read_file(work.repo, work.facts.commit, f"{work.facts.path}/package.json"))
    except NotFound:
        raise BuildFailed("there is no package.json", todo="Add one, or use another recipe.") from None
    except (ValueError, RecursionError) as error:
        raise BuildFailed(f"package.json cannot be read: {error}") from None
    if not isinstance(said, dict) or not isinstance(said.get("name"), str) or not said["name"]:
        raise BuildFailed("package.json names no package")
    return said


def scripts_of(said: Mapping[str, Any]) -> dict[str, str]:
    """The scripts of a package.json."""
    given = said.get("scripts")
    return {str(name): str(text) for name, text in given.items()} if isinstance(given, dict) else {}


def read_lock(work: Work) -> tuple[NodeLock, dict[str, str]]:
    """The lock file of the commit, and its name and digest for the provenance. Raises BuildFailed."""
    said = manifest(work)
    named = work.definition.build.lock
    for name in [named] if named else LOCKS:
        try:
            data = source.read_file(work.repo, work.facts.commit, f"{work.facts.path}/{name}")
        except NotFound:
            continue
        lock = (read_pnpm if name.endswith((".yaml", ".yml")) else read_npm)(data, name)
        _must_agree(said, lock, name)
        return lock, {"file": name, "format": f"{lock.tool} {lock.version}", "digest": sha256(data)}
    if named or asked_by(said):
        raise BuildFailed(
            f"there is no {named or ' or '.join(LOCKS[1:])}, so nobody knows which packages are meant",
            todo="Make one with `npm install --package-lock-only` and commit it.",
        )
    return NodeLock("npm", "0", ()), {}


def _must_agree(said: Mapping[str, Any], lock: NodeLock, file: str) -> None:
    """As `npm ci` does: a lock file that was made for another package.json is nobody's choice."""
    wanted, known = asked_by(said), lock.asked
    other = sorted(name for name in wanted.keys() | known.keys() if wanted.get(name) != known.get(name))
    if other:
        name = other[0]
        raise BuildFailed(
            f"package.json wants {name[:80]} {wanted.get(name, 'not at all')[:80]}, {file} was made for"
            f" {known.get(name, 'none')[:80]}",
            todo=f"Make {file} again with {'pnpm' if lock.tool == 'pnpm' else 'npm'} install, and commit it.",
        )


def _fetch(work: Work) -> dict[str, Any]:
    lock, about = read_lock(work)
    if about:
        work.log.say("fetch", f"{about['file']} ({about['format']}) names {len(lock.packages)} packages")
    return {"rows": fetch(work, lock), "lock": about, "links": lock.links, "programs": lock.programs}


def _part(row: Row, about: Mapping[str, Any]) -> dict[str, Any]:
    """For the evidence."""
    licence = from_package_json(about) if about else ""
    return Part(
        purl(row["name"], row["version"]),
        row["name"],
        row["version"],
        row["digest"],
        location=row["location"],
        licence=licence,
        needs=tuple(row["needs"]),
    ).as_json()


def _build_first(work: Work, fetched: Mapping[str, Any]) -> dict[str, Any]:
    found = build(work, 1, fetched)
    said = found["manifest"]
    version = name_version(work.facts.version, str(said.get("version", "0.0.0")))
    if version != work.facts.version:
        with work.database.begin() as uow:
            store.change_open(uow, work.build.id, version=version)
        work.log.say("build 1", f"the package names the version: {version}")
    path = Path(found["tarball"])
    own = purl(str(said["name"]), str(said.get("version", version)))
    product = Product(path.name, "npm", own, digest_file(path), str(path))
    return {
        "product": product.as_json(),
        "tarball": str(path),
        "version": version,
        "tests": _test(work, said),
        "about": found["about"],
        "scripts": found["scripts"],
    }


def _build_second(work: Work, fetched: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    second = build(work, 2, fetched)
    one, two = ({Path(each["tarball"]).name: each["tarball"]} for each in (first, second))
    return compare(work, one, two)


def build(work: Work, number: int, fetched: Mapping[str, Any]) -> dict[str, Any]:
    """Everything once, in a fresh bench: unpack, install scripts, build, pack. Raises BuildFailed."""
    if tool_of("node") is None or tool_of("npm") is None:
        raise BuildFailed("this machine has no Node with npm", todo="Install both for its workers.")
    work.export()
    about = unpack(work, number, fetched)
    ran = _install_scripts(work, fetched["rows"], about)
    if "build" in scripts_of(manifest(work)):
        _npm(work, f"build {number}", ["run", "build"])
    _npm(work, f"pack {number}", ["pack", "--pack-destination", work.inside("out")])
    packed = match(work.bench.source, "out", "*.tgz")
    if len(packed) != 1:
        raise BuildFailed(f"npm packed {len(packed)} tarballs; expected one")
    kept = work.workshop.fresh(work.build.id, f"out-{number}") / packed[0]
    said = repack(work.bench.source, f"out/{packed[0]}", kept)
    work.log.say(f"pack {number}", f"{kept.name} {digest_file(kept)}")
    return {"tarball": str(kept), "manifest": said, "about": about, "scripts": ran}


def unpack(work: Work, number: int, fetched: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out node_modules inside the sandbox; what each package says of itself, by its file."""
    rows: Sequence[Row] = fetched["rows"]
    if not rows and not fetched["links"]:
        return {}
    packages = Mount(copy_in(work, rows), "/fetched")
    driver = Mount(Path(layout.__file__), "/driver/layout.py")
    keys = ("name", "file", "places")
    plan = {
        "packages": [{key: row[key] for key in keys} for row in rows],
        "links": fetched["links"],
        "programs": fetched["programs"],
    }
    (work.bench.source / "plan.json").write_text(json.dumps(plan))
    where = work.sandbox.where
    words = [work.inside(each) for each in ("plan.json", work.project)]
    words += [where(packages), work.inside("out/about.json")]
    code, _ = work.run(f"unpack {number}", ["python", "-I", where(driver), *words], mounts=(packages, driver))
    if code:
        raise BuildFailed("the packages cannot be unpacked", todo="The log says which, and why.")
    text = read_text(work.bench.source, "out/about.json", _MOST_REPORT)
    (work.bench.source / "out/about.json").unlink()
    return dict(json.loads(text))


def _install_scripts(work: Work, rows: Sequence[Row], about: Mapping[str, Any]) -> list[str]:
    """Run those that clearway.yaml names; tell of the others. Returns the packages that ran some."""
    allowed, ran = set(work.definition.build.scripts), []
    for row in rows:
        scripts = about.get(row["file"], {}).get("scripts", {})
        if not scripts:
            continue
        if row["name"] not in allowed:
            work.log.say("scripts", f"{row['name']} {row['version']} has install scripts, which do not run")
            continue
        ran.append(f"{row['name']}@{row['version']}")
        for name in ("preinstall", "install", "postinstall"):
            if name in scripts:
                _npm(work, f"{name} {row['name']}", ["--prefix", row["places"][0], "run", name])
    if missing := sorted(allowed - {row["name"] for row in rows}):
        raise BuildFailed(f"`scripts` names {missing[0]}, which the lock file does not have")
    return ran


def _npm(work: Work, step: str, words: Sequence[str]) -> None:
    code, _ = work.run(step, ["npm", *words], variables=_variables(work))
    if code:
        raise BuildFailed(f"step {step} failed with exit code {code}", todo="The log shows its words.")


def _variables(work: Work) -> dict[str, str]:
    """npm asks nobody, and knows no settings but those of the project."""
    home = work.inside(work.surroundings.home)
    return {
        "npm_config_cache": f"{home}/.npm",
        "npm_config_globalconfig": f"{home}/.npmrc-global",
        "npm_config_offline": "true",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        "npm_config_foreground_scripts": "true",
    }


def _test(work: Work, said: Mapping[str, Any]) -> dict[str, Any] | None:
    """By the definition's command, else by the package's own script. Raises BuildFailed."""
    command = list(work.definition.build.test)
    script = scripts_of(said).get("test", "")
    if not command:
        if not script or _NO_TEST in script:
            return left_by_steps(work)
        command = ["npm", "test"]
    paths = [work.inside(f"{work.project}/node_modules/.bin")]
    code, output = work.run("test", command, paths=paths, variables=_variables(work))
    return judge(work, code, output, count_tap)
