"""pnpm-lock.yaml, formats 6 and 9, and the folders that pnpm makes of it. Pure.

Rules:
1. Each package lies once in `node_modules/.pnpm/KEY/node_modules/NAME`, with links to exactly what it needs
   beside it; importers have links to what they name.
2. As pnpm does by default, every other package is linked from `node_modules/.pnpm/node_modules`, for
   packages that need what they do not name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .model import (
    KINDS,
    MOST_BYTES,
    MOST_PACKAGES,
    LockError,
    NodeLock,
    NodePackage,
    asked_by,
    leads_inside,
    read_address,
    read_digests,
    read_inside,
    read_name,
    read_version,
    read_words,
    refuse_elsewhere,
)

_KEY = re.compile(r"/?((?:@[^@/()]+/)?[^@/()]+)@([^()/@:]+)((?:\(.*\))?)")
_STORE = "node_modules/.pnpm"
_LONGEST = 110  # of a folder's name


@dataclass
class _Package:
    key: str  # with the peers it was resolved with
    name: str
    version: str
    about: Mapping[str, Any]  # of the table `packages`
    needs: dict[str, str] = field(default_factory=dict)  # the name it is called by, to a key
    optional: bool = False  # may be missing where it does not fit
    wanted: bool = False  # not only by development

    @property
    def place(self) -> str:
        """The package's one folder."""
        plain = re.sub(r"[^A-Za-z0-9@._-]", "+", self.key.lstrip("/"))
        if len(plain) > _LONGEST or plain != self.key.lstrip("/").replace("/", "+"):
            plain = f"{plain[:60]}_{hashlib.sha256(self.key.encode()).hexdigest()[:24]}"
        return f"{_STORE}/{plain}/node_modules/{self.name}"


def read_pnpm(text: str | bytes, file: str = "pnpm-lock.yaml") -> NodeLock:
    """The lock in a text. Raises LockError with file and entry."""
    said = _load(text, file)
    version = str(said.get("lockfileVersion", ""))
    if not version.startswith(("6.", "9.")):
        raise LockError(
            f"lockfileVersion is {version[:20] or 'missing'}",
            where=file,
            expected="6 or 9",
            todo="Make it again with pnpm 8 or newer: pnpm install --lockfile-only",
        )
    known = _packages(said, version, file)
    importers = said.get("importers", {".": said})
    if not isinstance(importers, Mapping):
        raise LockError("`importers` is no table", where=file)
    links = list(_importers(importers, known, file))
    _mark(importers, known, file)
    links += _between(known)
    links += _hoisted(known, {link for link, _ in links})
    if len({link for link, _ in links}) != len(links):
        raise LockError("two links of the same name", where=file)
    found = tuple(_finished(package, file) for _, package in sorted(known.items()))
    programs = [
        (_bin_of(link), target) for link, target in links if not link.startswith(f"{_STORE}/node_modules/")
    ]
    root = importers.get(".")
    asked = asked_by(root) if isinstance(root, Mapping) else {}
    return NodeLock("pnpm", version, found, tuple(links), tuple(programs), asked)


def _load(text: str | bytes, file: str) -> Mapping[str, Any]:
    if len(text) > MOST_BYTES:
        raise LockError(f"it is longer than {MOST_BYTES >> 20} MiB", where=file)
    try:
        said = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise LockError(f"it is no YAML: {str(error)[:200]}", where=file) from None
    if not isinstance(said, Mapping):
        raise LockError("it is no table", where=file)
    return said


def _packages(said: Mapping[str, Any], version: str, file: str) -> dict[str, _Package]:
    table = _table(said.get("packages"), f"{file}: packages")
    shots = _table(said.get("snapshots"), f"{file}: snapshots") if version.startswith("9.") else table
    if max(len(shots), len(table)) > MOST_PACKAGES:
        raise LockError("it names too many packages", where=file)
    found: dict[str, _Package] = {}
    for key, shot in shots.items():
        where = f"{file}: {str(key)[:200]}"
        name, number, peers = _split(key, where)
        about = _table(table.get(key if table is shots else key.removesuffix(peers)), where)
        optional = _table(shot, where).get("optional") is True
        package = _Package(key.lstrip("/"), name, number, about, optional=optional)
        found[package.key] = package
        for kind in ("dependencies", "optionalDependencies"):
            for called, value in _table(_table(shot, where).get(kind), where).items():
                package.needs[read_name(called, where)] = _key_of(called, value, where)
    for package in found.values():
        for called, key in package.needs.items():
            if not key.startswith("link:") and key not in found:
                raise LockError(
                    f"it needs {called} as {key[:80]!r}, which is not in the file", where=package.key
                )
    return found


def _split(key: Any, where: str) -> tuple[str, str, str]:
    match = _KEY.fullmatch(key) if isinstance(key, str) and len(key) < 4000 else None
    if match is None:
        refuse_elsewhere(str(key).rpartition("@")[2] if "@" in str(key) else str(key), where)
        raise LockError("the entry is no package of a registry", where=where)
    return read_name(match[1], where), read_version(match[2], where), match[3]


def _key_of(called: str, value: Any, where: str) -> str:
    """The entry that a dependency means: `1.0.0`, `1.0.0(peer@2)`, or another name as a whole."""
    if not isinstance(value, str):
        raise LockError(f"the version of {called[:80]} is no text", where=where)
    if value.startswith("link:"):
        return value
    bare = value.partition("(")[0]
    if ":" in bare:
        refuse_elsewhere(bare, where)
        raise LockError(f"{called[:80]} comes from {value[:80]!r}, which is no registry", where=where)
    whole = value.lstrip("/")
    return whole if "@" in bare.lstrip("/")[1:] else f"{called}@{whole}"


def _direct(entry: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """Kind, name and version of what an importer names."""
    for kind in KINDS:
        for called, about in _table(_table(entry, where).get(kind), where).items():
            value = about.get("version") if isinstance(about, Mapping) else about
            yield kind, read_name(called, where), _key_of(called, value, where)


def _importers(
    importers: Mapping[str, Any], known: Mapping[str, _Package], file: str
) -> Iterator[tuple[str, str]]:
    for folder, entry in importers.items():
        where = f"{file}: importer {str(folder)[:200]}"
        place = read_inside(str(folder), where)
        above = "" if place == "." else f"{place}/"
        for _, called, key in _direct(entry, where):
            link = f"{above}node_modules/{called}"
            if key.startswith("link:"):
                yield link, leads_inside(place, key.removeprefix("link:"), where)
            elif key not in known:
                raise LockError(f"it names {called} as {key[:80]!r}, which is not in the file", where=where)
            else:
                yield link, known[key].place


def _mark(importers: Mapping[str, Any], known: Mapping[str, _Package], file: str) -> None:
    """Which packages run with the project, and are not only there for development."""
    direct = [each for entry in importers.values() for each in _direct(entry, file)]
    waiting = [key for kind, _, key in direct if kind != "devDependencies" and key in known]
    while waiting:
        package = known[waiting.pop()]
        if not package.wanted:
            package.wanted = True
            waiting += [key for key in package.needs.values() if key in known]


def _between(known: Mapping[str, _Package]) -> Iterable[tuple[str, str]]:
    for package in known.values():
        beside = package.place.removesuffix(package.name)
        for called, key in package.needs.items():
            if key in known and called != package.name:
                yield f"{beside}{called}", known[key].place


def _hoisted(known: Mapping[str, _Package], there: set[str]) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for key in sorted(known):
        package = known[key]
        if package.name not in taken and f"node_modules/{package.name}" not in there:
            taken.add(package.name)
            yield f"{_STORE}/node_modules/{package.name}", package.place


def _finished(package: _Package, file: str) -> NodePackage:
    where = f"{file}: {package.key[:200]}"
    resolution = _table(package.about.get("resolution"), where)
    for kind in ("repo", "directory", "type"):
        if kind in resolution:
            refuse_elsewhere("git:" if kind != "directory" else "file:", where)
    address = resolution.get("tarball") or ""
    if not isinstance(address, str):
        raise LockError("`tarball` is no text", where=where)
    if address:
        refuse_elsewhere(address, where)
    return NodePackage(
        package.name,
        package.version,
        read_digests(resolution.get("integrity"), where),
        (package.place,),
        read_address(address, package.name, package.version) if address else "",
        tuple(sorted(package.needs)),
        dev=not package.wanted,
        optional=package.optional,
        os=read_words(package.about.get("os")),
        cpu=read_words(package.about.get("cpu")),
        libc=read_words(package.about.get("libc")),
    )


def _bin_of(link: str) -> str:
    folder = link.rpartition("node_modules/")[0]
    return f"{folder}node_modules/.bin"


def _table(said: Any, where: str) -> Mapping[str, Any]:
    if said is None:
        return {}
    if not isinstance(said, Mapping) or not all(isinstance(key, str) for key in said):
        raise LockError("it is no table", where=where)
    return said
