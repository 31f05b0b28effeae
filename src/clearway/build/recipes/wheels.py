"""Reading wheels that nobody trusts, and putting those that belong together into one bundle.

Rule: the bundle is put together by us, from the wheels, with fixed times, owners and order.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name

from clearway.build.model import BuildFailed
from clearway.build.ports import Wheel
from clearway.build.products import Product, digest_file
from clearway.build.work import Work

BUNDLE_FORMAT = "clearway.bundle/1"
MOST_TEXT = 4 << 20
MOST_UNPACKED = 2 << 30  # of one wheel


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


def wheel_metadata(path: Path) -> Any:
    """The METADATA of a wheel. Raises BuildFailed."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MOST_UNPACKED:
                raise BuildFailed(f"{path.name} would unpack to more than {MOST_UNPACKED >> 20} MiB")
            # Its own: a package that carries others inside has theirs deeper down.
            found_in = [name for name in archive.namelist() if name.count("/") == 1]
            names = [name for name in found_in if name.endswith(".dist-info/METADATA")]
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
