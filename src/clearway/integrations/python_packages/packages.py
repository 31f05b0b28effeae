"""The fetch phase: requirements in, wheels by digest out.

Rules:
1. Only wheels: unpacking one runs nothing, while a source package would run its author's code right here.
2. Every wheel lies under its digest; what a build used can be named for ever.
3. Nothing fetched is trusted for being fetched: pip checks the index's digests, we compute our own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelFile
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from clearway.build.ports import Watch, Wheel, Write
from clearway.kernel import Permanent, Retry, digest_of, sha256

from .installed import closure, pack

FETCH_S = 300.0
# A line of a requirements file: no second line, no option, no variable of ours that pip would fill in.
_PLAIN = re.compile(r"[a-z0-9-]+ [A-Za-z0-9+.-]+://[^\s$#\\]+ [0-9a-f]{64}")
_AWAY = ("connection", "timed out", "temporary failure", "name resolution", "502", "503", "504", "proxyerror")


class PythonPackages:
    """Fulfils build's Packages port in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def provide(
        self, requirements: Sequence[str], *, prefer_installed: bool, write: Write, watch: Watch
    ) -> tuple[Wheel, ...]:
        """See Packages.provide."""
        wanted = [self._requirement(text) for text in requirements]
        wanted = [each for each in wanted if not each.marker or each.marker.evaluate()]
        if not wanted:
            return ()
        found = self._installed(wanted) if prefer_installed else None
        return found if found is not None else self._fetched(wanted, write, watch)

    def recall(self, name: str, version: str, digest: str, *, write: Write, watch: Watch) -> Wheel:
        """See Packages.recall."""
        if found := self._kept(digest):
            return found
        wanted = [Requirement(f"{name}=={version}")]
        if not (self._installed(wanted) and self._kept(digest)):
            self._fetched(wanted, write, watch)
        if found := self._kept(digest):
            return found
        raise Permanent(
            f"{name} {version} cannot be had with the digest {digest}",
            todo="The wheelhouse has lost it, and the index gives other bytes under that version.",
        )

    def _kept(self, digest: str) -> Wheel | None:
        """What lies in the wheelhouse under a digest, when it is still that."""
        folder = self.root / "sha256" / digest.removeprefix("sha256:")
        for path in sorted(folder.glob("*.whl")):
            if sha256(path.read_bytes()) == digest:
                package, version, *_ = parse_wheel_filename(path.name)
                return Wheel(package, str(version), path, digest, "index")
        return None

    def environment(self, wheels: Sequence[Wheel], into: Path | None = None) -> Path:
        """See Packages.environment."""
        if into is not None:
            _fill(into, wheels)
            return into
        python = f"{sys.implementation.cache_tag}"
        digest = digest_of([python, sorted(wheel.digest for wheel in wheels)]).removeprefix("sha256:")
        place = self.root / "environments" / digest
        if place.is_dir():
            return place
        self.root.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=self.root))
        try:
            _fill(fresh, wheels)
            fresh.chmod(0o755)
            place.parent.mkdir(exist_ok=True)
            try:
                fresh.rename(place)
            except OSError:
                if not place.is_dir():  # else another build made the same one meanwhile
                    raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return place

    def _requirement(self, text: str) -> Requirement:
        try:
            found = Requirement(text)
        except InvalidRequirement as error:
            raise Permanent(f"{text!r} is not a requirement: {error}") from None
        if found.url:
            raise Permanent(
                f"{found.name} is required from an address", todo="Require it by version, from an index."
            )
        return found

    def _installed(self, wanted: Sequence[Requirement]) -> tuple[Wheel, ...] | None:
        packages = closure(wanted)
        if packages is None:
            return None
        packed = [pack(package) for package in packages]
        if any(each is None for each in packed):
            return None
        return tuple(self._keep(*each, "installed") for each in packed if each is not None)

    def _fetched(self, wanted: Sequence[Requirement], write: Write, watch: Watch) -> tuple[Wheel, ...]:
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            into = Path(folder) / "wheels"
            places = _fetch([str(each) for each in wanted], into, write, watch)
            kept = [self._keep(path.name, path.read_bytes(), "index") for path in sorted(into.iterdir())]
        found = [replace(wheel, location=places.get(wheel.digest, "")) for wheel in kept]
        return tuple(sorted(found, key=lambda wheel: wheel.name))

    def _keep(self, name: str, data: bytes, origin: str) -> Wheel:
        try:
            package, version, *_ = parse_wheel_filename(name)
        except InvalidWheelFilename as error:
            raise Permanent(f"{name} is not a wheel: {error}") from None
        digest = sha256(data)
        path = self.root / "sha256" / digest.removeprefix("sha256:") / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(data).digest():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, fresh = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)
            os.chmod(fresh, 0o444)
            os.replace(fresh, path)
        return Wheel(package, str(version), path, digest, "installed" if origin == "installed" else "index")


def _fetch(requirements: Sequence[str], into: Path, write: Write, watch: Watch) -> dict[str, str]:
    """Wheels into a folder; where each was, by its digest. Wheels only: nothing of theirs runs.

    pip resolves first and says which files it would take; then it fetches these, by their digests.
    """
    into.mkdir()
    report, wanted = into.with_name("report.json"), into.with_name("wanted.txt")
    words = ["install", "--dry-run", "--ignore-installed", "--report", str(report)]
    _pip([*words, "--", *requirements], into, write, watch)
    chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
    places: dict[str, str] = {}
    lines = []
    for each in chosen:
        about = each["download_info"]
        digest = about.get("archive_info", {}).get("hashes", {}).get("sha256")
        name, url = canonicalize_name(each["metadata"]["name"]), about["url"]
        if digest is None:
            raise Permanent(f"the index gives no SHA-256 of {name}")
        if not _PLAIN.fullmatch(f"{name} {url} {digest}"):
            raise Permanent(f"the index gives an address of {name} that is none")
        places[f"sha256:{digest}"] = url
        lines.append(f"{name} @ {url}#sha256={digest}\n")
    wanted.write_text("".join(lines), encoding="utf-8")
    _pip(["download", "--no-deps", "--dest", str(into), "--requirement", str(wanted)], into, write, watch)
    return places


def _pip(words: Sequence[str], folder: Path, write: Write, watch: Watch) -> None:
    """pip of the environment that runs us, by import path."""
    command, *rest = words
    ours = [sys.executable, "-m", "pip", command, "--only-binary", ":all:", "--no-input"]
    ours += ["--disable-pip-version-check", "--progress-bar", "off", "--quiet"]
    output = folder.with_suffix(".log")
    began = time.monotonic()
    with output.open("wb") as out:
        process = subprocess.Popen(
            [*ours, *rest],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    try:
        while process.poll() is None:
            watch()
            if time.monotonic() - began > FETCH_S:
                raise Retry(f"fetching packages took more than {FETCH_S:.0f} s")
            try:
                process.wait(timeout=0.3)
            except subprocess.TimeoutExpired:
                continue
        said = output.read_bytes()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        output.unlink(missing_ok=True)
    if process.returncode:
        write(said[-8000:])
        _explain(said.decode(errors="replace"))


def _explain(said: str) -> None:
    reasons = [line.strip() for line in said.splitlines() if line.startswith("ERROR")]
    text = reasons[-1].removeprefix("ERROR: ") if reasons else "pip gave no reason"
    if any(word in said.lower() for word in _AWAY) and "no matching distribution" not in said.lower():
        raise Retry(f"the package index cannot be reached: {text[:300]}", todo="Build again in a while.")
    raise Permanent(
        f"the required packages cannot be had as wheels: {text[:300]}",
        todo="Check names and versions; packages that exist only as source are not built here.",
    )


def _fill(folder: Path, wheels: Sequence[Wheel]) -> None:
    (folder / "site").mkdir()
    (folder / "bin").mkdir()
    for wheel in wheels:
        _install(wheel, folder)


def _install(wheel: Wheel, folder: Path) -> None:
    scheme = {
        "purelib": str(folder / "site"),
        "platlib": str(folder / "site"),
        "scripts": str(folder / "bin"),
        "headers": str(folder / "include"),
        "data": str(folder / "data"),
    }
    # Compiling runs in this process. Only what Clearway itself was installed from is worth that trust.
    levels = (0,) if wheel.origin == "installed" else ()
    destination = SchemeDictionaryDestination(
        scheme, interpreter="/usr/bin/env python", script_kind="posix", bytecode_optimization_levels=levels
    )
    try:
        with WheelFile.open(wheel.path) as source:
            install(source=source, destination=destination, additional_metadata={"INSTALLER": b"clearway"})
    except (ValueError, InstallerError, zipfile.BadZipFile, KeyError) as error:
        raise Permanent(f"{wheel.path.name} cannot be installed: {error}") from error
