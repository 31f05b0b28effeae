"""The packages that a Node lock names: fetched by digest, and handed to the sandbox as copies."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from clearway.build.locks import LockError, Machine, NodeLock, NodePackage
from clearway.build.model import BuildFailed
from clearway.build.ports import Fetcher, Locked
from clearway.build.work import Work

Row = Mapping[str, Any]  # of one package, as a step's result
_CPUS = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "i686": "ia32", "armv7l": "arm"}


def machine() -> Machine:
    """This one, in Node's words."""
    cpu = platform.machine().lower()
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
    return Machine(sys.platform, _CPUS.get(cpu, cpu), libc)


def purl(name: str, version: str) -> str:
    """The package URL of an npm package."""
    scope, _, short = name.rpartition("/")
    return PackageURL("npm", namespace=scope or None, name=short, version=version).to_string()


def fitting(lock: NodeLock, here: Machine) -> list[NodePackage]:
    """Without what may be missing and does not fit. Raises LockError for what must not be missing."""
    found = []
    for package in lock.packages:
        if here.fits(package):
            found.append(package)
        elif not package.optional:
            raise LockError(
                f"{package.name} {package.version} does not run on {here.os} {here.cpu} {here.libc}"
            )
    return sorted(found, key=lambda each: each.places)


def fetch(work: Work, lock: NodeLock) -> list[Row]:
    """Bring them all; only here is a network."""
    here = machine()
    wanted = fitting(lock, here)
    if not wanted:
        work.log.say("fetch", "nothing is needed")
        return []
    if left := len(lock.packages) - len(wanted):
        work.log.say("fetch", f"{left} optional packages are for other machines than {here.os} {here.cpu}")
    output = work.log.step("fetch")
    items = [_locked(package) for package in wanted]
    found = work.database.tool(Fetcher).fetch(items, output.write, work.watch)
    output.end()
    fresh = sum(each.origin == "network" for each in found)
    work.log.say("fetch", f"{fresh} packages fetched, {len(found) - fresh} were there; digests checked")
    return [
        {
            "name": package.name,
            "version": package.version,
            "digest": package.digests[0],
            "sha256": each.digest,
            "file": f"{number}.tgz",
            "path": str(each.path),
            "location": each.location,
            "places": list(package.places),
            "dev": package.dev,
            "needs": list(package.needs),
        }
        for number, (package, each) in enumerate(zip(wanted, found, strict=True))
    ]


def _locked(package: NodePackage) -> Locked:
    label = f"{package.name} {package.version}"
    if package.url:
        return Locked(label, package.url, package.digests)
    return Locked(label, package.path, package.digests, "npm", package.scope)


def copy_in(work: Work, rows: Sequence[Row]) -> Path:
    """Copies for one run: a job in a plain process could write to what it is given. Raises BuildFailed."""
    folder = work.workshop.fresh(work.build.id, "packages")
    for row in rows:
        digest = hashlib.sha256()
        with open(row["path"], "rb") as stream, (folder / row["file"]).open("xb") as copy:
            while data := stream.read(1 << 20):
                digest.update(data)
                copy.write(data)
        if f"sha256:{digest.hexdigest()}" != row["sha256"]:
            raise BuildFailed(f"{row['name']} in the store is not what was fetched", todo="Build again.")
    return folder
