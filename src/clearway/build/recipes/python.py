"""The python recipe: a PEP 517 wheel, and a bundle of it with everything it needs to run.

Rules:
1. Fetching has a network and runs no code; building runs code and has no network.
2. The bundle is put together by us, from the wheels, with fixed times, owners and order.
"""

from __future__ import annotations

import io
import json
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from clearway import source
from clearway.build import pep517
from clearway.build.model import BuildFailed, count_tests, tell_tests
from clearway.build.outputs import match, read_text
from clearway.build.ports import Mount, Wheel
from clearway.build.products import Product, digest_file
from clearway.build.work import Work
from clearway.kernel import NotFound

_LEGACY = ["setuptools>=40.8.0", "wheel"]
BUNDLE_FORMAT = "clearway.bundle/1"
MOST_TEXT = 4 << 20
MOST_UNPACKED = 2 << 30  # of one wheel


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


def wheel_json(wheel: Wheel) -> dict[str, Any]:
    """For a step's result."""
    return {**vars(wheel), "path": str(wheel.path)}


def read_wheels(rows: Sequence[Mapping[str, Any]]) -> list[Wheel]:
    """From a step's result. Raises BuildFailed when a wheel is gone or changed since."""
    wheels = [Wheel(**{**row, "path": Path(row["path"])}) for row in rows]
    for wheel in wheels:
        if not wheel.path.exists() or digest_file(wheel.path) != wheel.digest:
            raise BuildFailed(f"{wheel.path.name} in the wheelhouse is not what was fetched")
    return wheels


def build_wheel(work: Work, number: int, tools: Mapping[str, Any]) -> dict[str, Any]:
    """Build once, in a fresh sandbox: `{"missing": [...]}` or `{"wheel": path, "digest": ...}`."""
    step = f"build {number}"
    work.export()
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


def wheel_metadata(path: Path) -> Any:
    """The METADATA of a wheel. Raises BuildFailed."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MOST_UNPACKED:
                raise BuildFailed(f"{path.name} would unpack to more than {MOST_UNPACKED >> 20} MiB")
            names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            if len(names) != 1:
                raise BuildFailed(f"{path.name} has no METADATA, or more than one")
            found = HeaderParser().parsestr(_read_member(archive, names[0]))
    except (zipfile.BadZipFile, UnicodeDecodeError, KeyError) as error:
        raise BuildFailed(f"{path.name} is not a wheel: {error}") from error
    if not found["Name"] or not found["Version"]:
        raise BuildFailed(f"{path.name} names no package or version")
    return found


def _read_member(archive: zipfile.ZipFile, name: str) -> str:
    """A small text of a wheel; nobody's few compressed bytes may fill our memory."""
    if archive.getinfo(name).file_size > MOST_TEXT:
        raise BuildFailed(f"{name} is longer than {MOST_TEXT >> 20} MiB")
    return archive.read(name).decode()


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
    found = count_tests(output.tail.decode(errors="replace"), code)
    work.log.say("test", tell_tests(found))
    if code:
        raise BuildFailed(
            f"{tell_tests(found)} (exit code {code})", todo="The log shows which.", detail={"tests": found}
        )
    return found


def entry_points(wheel: Path) -> dict[str, str]:
    """The console scripts of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        text = _read_member(archive, names[0]) if names else ""
    found, section = {}, ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif section == "[console_scripts]" and "=" in stripped:
            name, _, target = stripped.partition("=")
            found[name.strip()] = target.strip()
    return found


def bundle(work: Work, wheel: Path, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One deterministic archive with the wheel and what it needs; and the wheel by itself."""
    own = wheel_metadata(wheel)
    members = {wheel.name: wheel} | {each.path.name: each.path for each in read_wheels(rows)}
    listed = [_listed(path) for _, path in sorted(members.items())]
    manifest = {
        "format": BUNDLE_FORMAT,
        "service": work.build.service,
        "version": work.facts.version,
        "commit": work.facts.commit,
        "python": work.definition.build.python,
        "entrypoints": entry_points(wheel),
        "wheels": listed,
    }
    place = (
        work.workshop.fresh(work.build.id, "bundle") / f"{work.build.service}-{work.facts.version}.bundle.tar"
    )
    text = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    write_bundle(place, text, members, work.facts.epoch)
    purl = PackageURL("generic", name=work.build.service, version=work.facts.version).to_string()
    package = PackageURL("pypi", name=canonicalize_name(own["Name"]), version=own["Version"]).to_string()
    products = [
        Product(place.name, "bundle", purl, digest_file(place), str(place)),
        Product(wheel.name, "wheel", package, digest_file(wheel), str(wheel)),
    ]
    for product in products:
        work.log.say("bundle", f"{product.name} {product.digest}")
    return [product.as_json() for product in products]


def _listed(path: Path) -> dict[str, str]:
    about = wheel_metadata(path)
    return {
        "file": f"wheels/{path.name}",
        "name": canonicalize_name(about["Name"]),
        "version": about["Version"],
        "digest": digest_file(path),
    }


def write_bundle(place: Path, manifest: bytes, wheels: Mapping[str, Path], epoch: int) -> None:
    """manifest.json, then `wheels/` in order; owners, modes and times are fixed."""
    with tarfile.open(place, "w", format=tarfile.PAX_FORMAT) as archive:

        def header(name: str, size: int) -> tarfile.TarInfo:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = size, epoch, 0o644
            return info

        archive.addfile(header("manifest.json", len(manifest)), io.BytesIO(manifest))
        for name, path in sorted(wheels.items()):
            with path.open("rb") as stream:
                archive.addfile(header(f"wheels/{name}", path.stat().st_size), stream)
