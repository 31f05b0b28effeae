"""What a distribution file says of itself: name and version from its file name, the rest from its metadata.

Rules:
1. Names and versions follow `packaging` (PEP 503, 440, 427, 625); the metadata inside must agree with both.
2. Nothing is unpacked: one member is read, and never more than its limit, whatever the archive claims.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from packaging.metadata import RawMetadata, parse_email
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from clearway.kernel import Invalid

MOST_METADATA = 1 << 20  # bytes
MOST_MEMBERS = 100_000
MOST_UNPACKED = 64 << 20  # bytes of an sdist that are read to find its metadata, which comes early
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,250}\Z")
_NAME = re.compile(r"[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Distribution:
    """A wheel or sdist, as its file name tells."""

    file_name: str
    package: NormalizedName
    version: Version
    is_wheel: bool


@dataclass(frozen=True)
class Described:
    """What the metadata inside says."""

    metadata: bytes
    requires_python: str
    summary: str


def normalised(name: str) -> NormalizedName:
    """A project's name as it is compared. Raises Invalid for what is none."""
    if not _NAME.match(name) or len(name) > 200:
        raise Invalid(f"{name[:100]!r} is no name of a project", expected="ASCII letters, digits, . _ and -")
    return canonicalize_name(name)


def read_file_name(file_name: str) -> Distribution:
    """The distribution that a file name names. Raises Invalid."""
    if not _FILE_NAME.match(file_name):
        raise Invalid(f"{file_name[:100]!r} cannot be the name of a distribution", expected=_EXPECTED)
    try:
        if file_name.endswith(".whl"):
            package, version, _, _ = parse_wheel_filename(file_name)
            return Distribution(file_name, package, version, True)
        if file_name.endswith(".tar.gz"):
            package, version = parse_sdist_filename(file_name)
            return Distribution(file_name, package, version, False)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion) as error:
        raise Invalid(f"{file_name} cannot be read: {error}"[:300], expected=_EXPECTED) from None
    raise Invalid(f"{file_name} is neither wheel nor sdist", expected=_EXPECTED)


_EXPECTED = "NAME-VERSION-PYTHON-ABI-PLATFORM.whl or NAME-VERSION.tar.gz"


def describe(named: Distribution, path: Path) -> Described:
    """What the file says of itself, held against its name. Raises Invalid."""
    metadata = _of_wheel(named, path) if named.is_wheel else _of_sdist(named, path)
    try:
        raw, _ = parse_email(metadata)
    except Exception as error:  # noqa: BLE001 - a parser of mail before whatever a stranger wrote
        raise Invalid(f"the metadata of {named.file_name} cannot be read: {type(error).__name__}") from None
    _must_agree(named, raw)
    requires = str(raw.get("requires_python", ""))
    try:
        SpecifierSet(requires)
    except InvalidSpecifier:
        raise Invalid(f"Requires-Python {requires[:100]!r} is none", expected="such as >=3.11") from None
    return Described(metadata, requires, str(raw.get("summary", ""))[:500])


def _must_agree(named: Distribution, raw: RawMetadata) -> None:
    name, version = raw.get("name", ""), raw.get("version", "")
    try:
        agrees = normalised(name) == named.package and Version(version) == named.version
    except (Invalid, InvalidVersion):
        agrees = False
    if not agrees:
        raise Invalid(
            f"{named.file_name} says inside that it is {name[:100]} {version[:100]}",
            expected=f"{named.package} {named.version}, as its file name says",
        )


def _of_wheel(named: Distribution, path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise Invalid(f"{named.file_name} has {len(members)} members")
            found = [each for each in members if _is_metadata(named, each.filename)]
            if len(found) != 1:
                raise Invalid(f"{named.file_name} has {len(found)} METADATA files", expected="one")
            if found[0].file_size > MOST_METADATA:
                raise Invalid(f"the metadata of {named.file_name} is larger than {MOST_METADATA} bytes")
            with archive.open(found[0]) as stream:
                return _bounded(stream.read(MOST_METADATA + 1), named)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Invalid(f"{named.file_name} is no zip archive that can be read: {error}"[:300]) from None


def _is_metadata(named: Distribution, member: str) -> bool:
    folder, _, name = member.partition("/")
    if name != "METADATA" or not folder.endswith(".dist-info"):
        return False
    project, _, version = folder.removesuffix(".dist-info").rpartition("-")
    try:
        return canonicalize_name(project) == named.package and Version(version) == named.version
    except InvalidVersion:
        return False


def _of_sdist(named: Distribution, path: Path) -> bytes:
    try:
        with gzip.open(path) as plain, tarfile.open(fileobj=_Bounded(plain, named), mode="r|") as archive:
            for member in archive:
                folder, _, name = member.name.partition("/")
                if name == "PKG-INFO" and folder and member.isreg():
                    stream = archive.extractfile(member)
                    return _bounded(stream.read(MOST_METADATA + 1) if stream else b"", named)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise Invalid(f"{named.file_name} is no archive that can be read: {error}"[:300]) from None
    raise Invalid(f"{named.file_name} has no PKG-INFO", expected="NAME-VERSION/PKG-INFO")


def _bounded(data: bytes, named: Distribution) -> bytes:
    if len(data) > MOST_METADATA:
        raise Invalid(f"the metadata of {named.file_name} is larger than {MOST_METADATA} bytes")
    return data


class _Bounded(io.RawIOBase):
    """A stream that ends the reading of a bomb."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile, named: Distribution) -> None:
        self._stream, self._left, self._named = stream, MOST_UNPACKED, named

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises Invalid beyond the limit."""
        data = self._stream.read(size if 0 <= size <= MOST_METADATA else MOST_METADATA)
        self._left -= len(data)
        if self._left < 0:
            raise Invalid(f"{self._named.file_name} has no PKG-INFO within {MOST_UNPACKED} bytes")
        return data


def metadata_digest(metadata: bytes) -> str:
    """SHA-256 of a metadata file, hexadecimal."""
    return hashlib.sha256(metadata).hexdigest()
