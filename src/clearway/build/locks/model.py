"""What the lock files of Node say, in one form: packages, the folders they go to, and links. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from clearway.kernel import Permanent

MOST_PACKAGES = 50_000
MOST_BYTES = 64 << 20  # of one lock file
_NAME = re.compile(r"(?:@[A-Za-z0-9~_-][A-Za-z0-9._~-]{0,99}/)?[A-Za-z0-9~_-][A-Za-z0-9._~-]{0,213}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,255}")
_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


class LockError(Permanent):
    """A lock file that cannot be built from; says which entry, why, and what to do."""

    title = "The lock file cannot be used"


@dataclass(frozen=True)
class NodePackage:
    """One package, and every folder that it goes to."""

    name: str
    version: str
    digests: tuple[str, ...]  # hexadecimal, with their kind
    places: tuple[str, ...]  # folders below the project
    url: str = ""  # an address of its own; empty: where the registry keeps such a package
    needs: tuple[str, ...] = ()  # names
    dev: bool = False  # only builds and tests
    optional: bool = False  # may be missing where it does not fit
    os: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    libc: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """`@types` of `@types/node`; empty for most."""
        return self.name.partition("/")[0] if self.name.startswith("@") else ""

    @property
    def path(self) -> str:
        """Where every npm registry keeps it."""
        return f"{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


@dataclass(frozen=True)
class NodeLock:
    """All that a lock file says."""

    tool: str  # "npm" or "pnpm"
    version: str  # of the format
    packages: tuple[NodePackage, ...]
    links: tuple[tuple[str, str], ...] = ()  # a path below the project, and the path that it leads to
    programs: tuple[tuple[str, str], ...] = ()  # a folder `.bin`, and a package's folder
    asked: Mapping[str, str] = field(default_factory=dict)  # what package.json asked for when it was made


@dataclass(frozen=True)
class Machine:
    """What packages ask about, in Node's words."""

    os: str = "linux"
    cpu: str = "x64"
    libc: str = "glibc"

    def fits(self, package: NodePackage) -> bool:
        """Whether the package wants to be on such a machine."""
        asked = ((self.os, package.os), (self.cpu, package.cpu), (self.libc, package.libc))
        return all(_fits(mine, wanted) for mine, wanted in asked)


def _fits(mine: str, wanted: Sequence[str]) -> bool:
    """npm's rule: nothing that is excluded, and one of the others when there are any."""
    if f"!{mine}" in wanted:
        return False
    named = [each for each in wanted if not each.startswith("!")]
    return not named or mine in named or "any" in named


def read_name(said: Any, where: str) -> str:
    """A package's name. Raises LockError."""
    if not isinstance(said, str) or not _NAME.fullmatch(said) or said in ("node_modules", "favicon.ico"):
        raise LockError(f"{_short(said)} is no name of a package", where=where)
    return said


def read_version(said: Any, where: str) -> str:
    """A package's version. Raises LockError."""
    if not isinstance(said, str) or not _VERSION.fullmatch(said):
        raise LockError(f"{_short(said)} is no version", where=where)
    return said


def read_digests(said: Any, where: str) -> tuple[str, ...]:
    """Of an SRI text, `sha512-BASE64 sha1-BASE64`. Raises LockError when none of it can be checked."""
    found = []
    for word in said.split()[:8] if isinstance(said, str) else ():
        kind, _, value = word.partition("?")[0].partition("-")
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if kind not in _SIZES or len(data) != _SIZES[kind]:
            raise LockError(f"the integrity {_short(word)} cannot be checked", where=where)
        found.append(f"{kind}:{data.hex()}")
    if not found:
        raise LockError(
            "no integrity is named, so any bytes would do",
            where=where,
            todo="Make the lock file again; a package from a registry gets one.",
        )
    return tuple(sorted(found, key=lambda each: -_SIZES[each.partition(":")[0]]))


def read_words(said: Any) -> tuple[str, ...]:
    """A list of short texts; a single one is a list, too."""
    listed = [said] if isinstance(said, str) else said
    if not isinstance(listed, list):
        return ()
    return tuple(each for each in listed[:100] if isinstance(each, str))


def names_of(*tables: Any) -> tuple[str, ...]:
    """The names that tables of dependencies have."""
    found = {name for table in tables if isinstance(table, Mapping) for name in table}
    return tuple(sorted(name for name in found if isinstance(name, str)))


def refuse_elsewhere(address: str, where: str) -> None:
    """Raises LockError for a package that is no file of a registry."""
    scheme = address.partition(":")[0].lower() if ":" in address else ""
    if scheme.startswith("git") or scheme in ("ssh", "github", "bitbucket") or ".git#" in address:
        kind, hint = "from a git repository", "a branch can move, and packing it runs its scripts"
    elif scheme in ("file", "link", "portal") or address.startswith((".", "/")):
        kind, hint = "from a file", "nobody can know what it was"
    elif scheme in ("http", "https"):
        return
    else:
        kind, hint = f"from {_short(address)}", "that is no registry"
    raise LockError(
        f"it comes {kind}: {hint}",
        where=where,
        todo="Publish it to a registry, or make it a workspace of this repository.",
    )


def read_address(said: str, name: str, version: str) -> str:
    """The address of a package, empty where it lies in the place that every registry has for it.

    The bytes are named by their digest; so this machine's registry can give them, whichever the author had.
    """
    path = NodePackage(name, version, (), ()).path
    plain = said.partition("#")[0].partition("?")[0].replace("%2f", "/").replace("%2F", "/")
    return "" if plain.endswith("/" + path) else said


def read_inside(path: str, where: str) -> str:
    """A path below the project, in its plain form. Raises LockError when it leaves."""
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or "\\" in path or "\0" in path or ".." in parts or len(path) > 4000:
        raise LockError(f"the path {_short(path)} leaves the project", where=where)
    return str(PurePosixPath(path))


def leads_inside(folder: str, path: str, where: str) -> str:
    """Where `path` leads from `folder`, below the project. Raises LockError when that is outside."""
    parts: list[str] = [each for each in folder.split("/") if each not in ("", ".")]
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise LockError(f"the link to {_short(path)} leaves the project", where=where)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return read_inside("/".join(parts) or ".", where)


def _short(said: Any) -> str:
    return repr(said)[:80]


KINDS = ("dependencies", "devDependencies", "optionalDependencies")


def asked_by(said: Mapping[str, Any]) -> dict[str, str]:
    """What a package.json, or what a lock file keeps of it, asks for: range by name."""
    found: dict[str, str] = {}
    for kind in KINDS:
        table = said.get(kind)
        for name, value in table.items() if isinstance(table, Mapping) else ():
            wanted = value.get("specifier") if isinstance(value, Mapping) else value
            found[str(name)] = str(wanted)
    return found
