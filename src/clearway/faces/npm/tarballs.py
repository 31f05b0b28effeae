"""What a tarball says of itself.

Rules:
1. Nothing is unpacked: members are looked at one by one, package.json is read, and a bomb ends the reading.
2. A member that would be written outside its folder, a symbolic link or a device refuses the whole tarball.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clearway.kernel import Invalid

from .bodies import read_json

MOST_MEMBERS = 100_000
MOST_DESCRIPTION = 1 << 20  # bytes of package.json, and of a header that carries a long name
MOST_UNPACKED = 4 << 30
MOST_RATIO = 200  # unpacked to packed, beyond
FREE_UNPACKED = 32 << 20  # bytes
_LONG = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"L", b"K")
_SCRIPTS = ("preinstall", "install", "postinstall")


@dataclass(frozen=True)
class Inside:
    """What is in a tarball."""

    name: str
    version: str
    description: Mapping[str, Any]  # package.json
    files: int
    unpacked: int  # bytes
    installs: bool  # whether something runs when it is installed
    shrinkwrap: bool  # whether it brings the versions of its dependencies along


class _Member(tarfile.TarInfo):
    """A member whose long headers are small."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _LONG and self.size > MOST_DESCRIPTION:
            raise Invalid(
                "a header in the tarball is too large", expected=f"at most {MOST_DESCRIPTION} bytes"
            )
        return super()._proc_member(archive)  # type: ignore[misc]


class _Bounded(io.RawIOBase):
    """A stream that ends the reading of a bomb."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, packed: int) -> None:
        self._stream = stream
        self._left = min(MOST_UNPACKED, max(FREE_UNPACKED, packed * MOST_RATIO))

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises Invalid beyond the limit."""
        data = self._stream.read(size if 0 <= size <= MOST_DESCRIPTION else MOST_DESCRIPTION)
        self._left -= len(data)
        if self._left < 0:
            raise Invalid(
                "the tarball unpacks to far more than it is", expected=f"at most {MOST_RATIO} times"
            )
        return data


def look_inside(path: Path) -> Inside:
    """What the tarball says of itself. Raises Invalid."""
    try:
        with gzip.open(path) as plain:
            stream = _Bounded(plain, path.stat().st_size)
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                found = _members(archive)
            while stream.read(MOST_DESCRIPTION):
                pass  # what follows the archive's end is part of the gzip checksum
            return found
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError) as error:
        raise Invalid(f"the tarball cannot be read: {error}"[:300], expected="a gzip of a tar") from None


def _members(archive: tarfile.TarFile) -> Inside:
    described: dict[str, Any] | None = None
    files = unpacked = seen = 0
    shrinkwrap = compiles = False
    for member in archive:
        seen += 1
        parts = _safe(member)
        if seen > MOST_MEMBERS:
            raise Invalid("the tarball has too many files", expected=f"at most {MOST_MEMBERS}")
        if not member.isfile():
            continue
        files, unpacked = files + 1, unpacked + member.size
        shrinkwrap = shrinkwrap or parts[1:] == ["npm-shrinkwrap.json"]
        compiles = compiles or parts[1:] == ["binding.gyp"]
        if [part.casefold() for part in parts[1:]] == ["package.json"]:
            if described is not None or parts[1] != "package.json":
                raise Invalid("the tarball has two package.json, or one in other letters", expected="one")
            described = _description(archive, member)
    if described is None:
        raise Invalid("the tarball has no package.json", expected="package/package.json")
    scripts = described.get("scripts")
    installs = compiles or (isinstance(scripts, dict) and any(scripts.get(each) for each in _SCRIPTS))
    name, version = described.get("name"), described.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise Invalid("package.json in the tarball has no name or no version")
    return Inside(name.strip(), _cleaned(version), described, files, unpacked, installs, shrinkwrap)


def _cleaned(version: str) -> str:
    """As npm publishes what stands in package.json."""
    return re.sub(r"\A[=v\s]+", "", version.strip()).partition("+")[0]


def _safe(member: tarfile.TarInfo) -> list[str]:
    for name in (member.name, member.linkname):
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name):
            raise Invalid(f"the tarball has {name[:100]!r}, which leads outside of it")
    if not (member.isfile() or member.isdir() or member.islnk()):
        raise Invalid(f"{member.name[:100]!r} in the tarball is no file", expected="files and folders")
    return [part for part in member.name.split("/") if part not in ("", ".")]


def _description(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    stream = archive.extractfile(member)
    data = stream.read(MOST_DESCRIPTION + 1) if stream else b""
    if len(data) > MOST_DESCRIPTION:
        raise Invalid(
            "package.json in the tarball is too large", expected=f"at most {MOST_DESCRIPTION} bytes"
        )
    found = read_json(data.removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(found, dict):
        raise Invalid("package.json in the tarball is no object")
    return found
