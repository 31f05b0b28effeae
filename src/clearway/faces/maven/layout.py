"""Where a file is in a Maven repository, and what its address says. Pure.

Rules:
1. An address is `GROUP/AS/FOLDERS/ARTIFACT/VERSION/ARTIFACT-VERSION[-CLASSIFIER].EXTENSION`, in ASCII; the
   file's name repeats artifact and version, so no file can claim to be another's.
2. A folder of a group holds no dot: `org.acme/shop` and `org/acme/shop` would be one coordinate at two
   addresses.
3. Coordinates keep their letters, but two that differ in capitals only are one package here: on some disks of
   those who consume them they are one folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from clearway.kernel import Invalid

Checksum = Literal["sha1", "md5", "sha256", "sha512"]
CHECKSUMS: dict[str, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}  # hexadecimal digits
METADATA = "maven-metadata.xml"
SNAPSHOT = "-SNAPSHOT"
MOST_ADDRESS = 900
MOST_PART = 200

_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_ARTIFACT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\Z")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+~-]*(\.[A-Za-z0-9_+~-]+)*\Z")
_BUILD = re.compile(r"-(?P<time>\d{8}\.\d{6})-(?P<number>[1-9]\d{0,8})(?=[.-])")
_REST = re.compile(
    r"(?:-(?P<classifier>[A-Za-z0-9_+~][A-Za-z0-9._+~-]*?))?"
    r"\.(?P<extension>(?:tar\.[A-Za-z0-9]+|[A-Za-z0-9_-]+)(?:\.asc|\.sigstore(?:\.json)?)?)\Z"
)


@dataclass(frozen=True)
class Build:
    """Which of a snapshot's builds a file is of."""

    time: str  # 20260131.235959
    number: int


@dataclass(frozen=True)
class Address:
    """What an address says."""

    path: str  # of the file itself, without the ending of a checksum
    group: str
    artifact: str
    version: str | None  # None: metadata of all versions
    checksum: str | None = None  # which digest of the file is asked for
    metadata: bool = False
    build: Build | None = None
    classifier: str = ""
    extension: str = ""

    @property
    def package(self) -> str:
        """The name as it is compared."""
        return f"{self.group}:{self.artifact}".lower()

    @property
    def snapshot(self) -> bool:
        """Whether the version is one that is still made."""
        return self.version is not None and self.version.endswith(SNAPSHOT)


def read(path: str) -> Address:
    """What an address says. Raises Invalid, naming the part that is wrong."""
    if len(path) > MOST_ADDRESS:
        raise Invalid(f"an address of {len(path)} characters", expected=f"at most {MOST_ADDRESS}")
    path, checksum = _without_checksum(path)
    parts = path.split("/")
    if parts[-1] == METADATA:
        return _metadata(path, parts[:-1], checksum)
    if len(parts) < 4:
        _refuse(path, "GROUP/ARTIFACT/VERSION/FILE")
    *folders, artifact, version, name = parts
    group = _group(folders)
    _check(artifact, _ARTIFACT, "letters, digits and . _ - in an artifact's name")
    _check_version(version)
    build, rest = _after_version(name, artifact, version)
    found = _REST.match(rest)
    if found is None or len(name) > 2 * MOST_PART:
        _refuse(name, f"{artifact}-{version}[-CLASSIFIER].EXTENSION")
    return Address(
        path,
        group,
        artifact,
        version,
        checksum,
        build=build,
        classifier=found["classifier"] or "",
        extension=found["extension"],
    )


def _without_checksum(path: str) -> tuple[str, str | None]:
    stem, dot, ending = path.rpartition(".")
    return (stem, ending) if dot and ending in CHECKSUMS else (path, None)


def _metadata(path: str, parts: list[str], checksum: str | None) -> Address:
    if parts and parts[-1].endswith(SNAPSHOT) and len(parts) >= 3:
        *folders, artifact, version = parts
        _check_version(version)
        _check(artifact, _ARTIFACT, "letters, digits and . _ - in an artifact's name")
        return Address(path, _group(folders), artifact, version, checksum, metadata=True)
    if not parts:
        _refuse(path, f"GROUP/ARTIFACT/{METADATA}")
    *folders, artifact = parts
    _check(artifact, _ARTIFACT, "letters, digits and . _ - in an artifact's name")
    return Address(path, _group(folders, optional=True), artifact, None, checksum, metadata=True)


def _group(folders: list[str], *, optional: bool = False) -> str:
    if not folders and not optional:
        _refuse("", "a group")
    for each in folders:
        _check(each, _FOLDER, "letters, digits, _ and - in a folder of a group")
    return ".".join(folders)


def _check_version(version: str) -> None:
    _check(version, _VERSION, "letters, digits and . _ + ~ - in a version")
    if version.upper() in ("LATEST", "RELEASE", "SNAPSHOT"):
        _refuse(version, "a version that names one thing")
    if version.upper().endswith(SNAPSHOT) and not version.endswith(SNAPSHOT):
        _refuse(version, "SNAPSHOT in capitals")


def _after_version(name: str, artifact: str, version: str) -> tuple[Build | None, str]:
    if name.startswith(f"{artifact}-{version}"):
        return None, name.removeprefix(f"{artifact}-{version}")
    start = f"{artifact}-{version.removesuffix(SNAPSHOT)}"
    if version.endswith(SNAPSHOT) and name.startswith(start):
        rest = name.removeprefix(start)
        if found := _BUILD.match(rest):
            return Build(found["time"], int(found["number"])), rest[found.end() :]
    _refuse(name, f"{artifact}-{version} at its beginning, as its folders say")


def _check(part: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.match(part) or len(part) > MOST_PART:
        _refuse(part, f"{expected}, at most {MOST_PART}")


def _refuse(part: str, expected: str) -> NoReturn:
    raise Invalid(f"{part[:100]!r} cannot be part of an address in a Maven registry", expected=expected)
