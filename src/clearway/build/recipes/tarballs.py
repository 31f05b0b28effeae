"""An npm tarball that a job left, put together again so that no byte depends on when and where.

Rules:
1. Only what lies below `package/` and is a plain file; package.json first, the others sorted.
2. Modes are 755 and 644: npm copies them from the files, which have them from somebody's umask.
3. The time is the one that npm itself writes into every tarball.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any

from clearway.build.model import BuildFailed
from clearway.build.outputs import file

MOST_BYTES = 1 << 30  # unpacked
MOST_FILES = 100_000
NPM_TIME = 499162500  # 1985-10-26T08:15:00Z
_FIRST = "package/package.json"
_MOST_MANIFEST = 4 << 20


def repack(bench: Path, name: str, target: Path) -> dict[str, Any]:
    """Write the tarball `name` of the bench anew; returns its package.json. Raises BuildFailed."""
    plain = target.with_suffix(".tar")
    try:
        with file(bench, name) as stream:
            _decompress(stream, plain, name)
        with tarfile.open(plain, "r:") as found:
            members = _members(found, name)
            said = _manifest(found, members, name)
            with target.open("xb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
                _write(found, members, out)
    except tarfile.TarError as error:
        raise BuildFailed(f"{name} is no tarball: {error}") from error
    finally:
        plain.unlink(missing_ok=True)
    return said


def _decompress(stream: IO[bytes], plain: Path, name: str) -> None:
    size = 0
    try:
        with gzip.GzipFile(fileobj=stream) as packed, plain.open("xb") as out:
            while data := packed.read(1 << 20):
                size += len(data)
                if size > MOST_BYTES:
                    raise BuildFailed(f"{name} unpacks to more than {MOST_BYTES >> 20} MiB")
                out.write(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BuildFailed(f"{name} is no tarball: {error}") from error


def _members(found: tarfile.TarFile, name: str) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for member in found:
        parts = member.name.split("/")
        if parts[0] != "package" or ".." in parts or "" in parts:
            raise BuildFailed(f"{name} has a member outside of its package: {member.name[:80]!r}")
        if member.isreg():
            members[member.name] = member
        elif not member.isdir():
            raise BuildFailed(f"{name} has a member that is no file: {member.name[:80]!r}")
        if len(members) > MOST_FILES:
            raise BuildFailed(f"{name} has more than {MOST_FILES} files")
    return members


def _manifest(found: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> dict[str, Any]:
    member = members.get(_FIRST)
    stream = found.extractfile(member) if member else None
    try:
        said = json.loads(stream.read(_MOST_MANIFEST)) if stream else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("name"), str):
        raise BuildFailed(f"{name} has no package.json that names a package")
    return said


def _write(found: tarfile.TarFile, members: dict[str, tarfile.TarInfo], out: gzip.GzipFile) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(members, key=lambda each: (each != _FIRST, each)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = members[name].size, NPM_TIME
            info.mode = 0o755 if members[name].mode & 0o111 else 0o644
            archive.addfile(info, found.extractfile(members[name]) or io.BytesIO())
