"""What of the machine a job sees: the interpreter by digest, the system by its packages."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from packageurl import PackageURL

from clearway.build.ports import Resource

_STATUS = Path("/var/lib/dpkg/status")
_RELEASE = Path("/etc/os-release")
_LOCAL = tuple(Path("/usr/local", name) for name in ("bin", "sbin", "lib"))  # what no package manager lists
# What builds call by name. Everything else is in the digest of the whole list.
_TOOLS = re.compile(
    r"(bash|dash|coreutils|findutils|grep|sed|mawk|gawk|tar|gzip|bzip2|xz-utils|zip|unzip|zstd|patch|diffutils"
    r"|make|cmake|ninja-build|meson|autoconf|automake|libtool|pkgconf|pkg-config|bison|flex|binutils|git|perl"
    r"|perl-base|maven|ant|gradle|nodejs|npm|buildah|strip-nondeterminism|libc6|libc6-dev|linux-libc-dev"
    r"|zlib1g|zlib1g-dev|libssl-dev|openssl|postgresql|sqlite3"
    r"|(gcc|g\+\+|cpp|clang|llvm|gfortran|libgcc|libstdc\+\+)(-?\d.*)?"
    r"|python3(\.\d+)?(-(minimal|dev))?|openjdk-\d+-(jdk|jre)(-headless)?|postgresql-\d+)\Z"
)


def materials(python: Path) -> tuple[Resource, ...]:
    """The interpreter, the system's list of packages, and the tools among them."""
    return (_interpreter(python), *_system(_mark(_STATUS)), *_local(*(_mark(each) for each in _LOCAL)))


def _mark(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _interpreter(python: Path) -> Resource:
    uri = f"pkg:generic/{sys.implementation.name}@{platform.python_version()}"
    found = {"name": "python", "uri": uri}
    digest = _digest(str(python), _mark(python))
    return {**found, "digest": {"sha256": digest}} if digest else found


@lru_cache(4)
def _digest(path: str, mark: float) -> str:
    """Of the file, read once as long as it does not change."""
    del mark
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


@lru_cache(2)
def _system(mark: float) -> tuple[Resource, ...]:
    del mark
    release = _release()
    name = release.get("ID", platform.system().lower())
    whole: dict[str, Any] = {
        "name": "system",
        "uri": PackageURL("generic", name=name, version=release.get("VERSION_ID")).to_string(),
        "annotations": {"machine": platform.machine()},
    }
    packages = list(_packages())
    if not packages:
        return (whole,)
    lines = "".join(f"{package} {version} {machine}\n" for package, version, machine in sorted(packages))
    listed = hashlib.sha256(lines.encode()).hexdigest()
    whole["annotations"] |= {"packages": len(packages), "packageListSha256": listed}
    tools = [
        {
            "name": package,
            "uri": PackageURL("deb", name, package, version, qualifiers={"arch": machine}).to_string(),
        }
        for package, version, machine in sorted(packages)
        if _TOOLS.match(package)
    ]
    return (whole, *tools)


@lru_cache(2)
def _local(*marks: float) -> tuple[Resource, ...]:
    """What was put into /usr/local by hand, by names and sizes: reading it all would take too long."""
    del marks
    found = hashlib.sha256()
    count = 0
    for folder in _LOCAL:
        for each in sorted(folder.iterdir()) if folder.is_dir() else ():
            count += 1
            size = each.stat().st_size if each.is_file() else 0
            found.update(f"{each} {size}\n".encode(errors="surrogateescape"))
    if not count:
        return ()
    about = {"entries": count, "namesAndSizesSha256": found.hexdigest()}
    return ({"name": "local", "uri": "file:///usr/local", "annotations": about},)


def _release() -> Mapping[str, str]:
    try:
        lines = _RELEASE.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip().strip('"') for key, _, value in pairs}


def _packages() -> Iterator[tuple[str, str, str]]:
    """Name, version and architecture of each package that dpkg has installed."""
    try:
        text = _STATUS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for block in text.split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines() if line[:1].isalpha())
        about = {key: value.strip() for key, _, value in lines}
        if about.get("Status") == "install ok installed" and "Package" in about:
            yield about["Package"], about.get("Version", ""), about.get("Architecture", "")
