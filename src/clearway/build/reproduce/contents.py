"""What is inside a file: archives and compressed files opened in memory, with everything that can differ.

Rules:
1. Nothing is written to a disk, and no name in an archive is trusted: names are only told.
2. Together no more is unpacked than the budget allows; what does not fit stays closed, and is compared whole.
3. A file that is no archive, or a broken one, is bytes.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MOST_BYTES = 256 << 20  # unpacked, of one file that is compared
MOST_MEMBERS = 50_000
_AR = b"!<arch>\n"


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    data: bytes
    time: str = ""
    mode: str = ""
    owner: str = ""
    extra: str = ""  # whatever else the archive says of it


@dataclass(frozen=True)
class Opened:
    """A file that has an inside."""

    kind: str  # "zip", "tar", "gzip", ...
    members: tuple[Member, ...]  # in order
    head: Mapping[str, str] = field(default_factory=dict)  # what it says of itself


class TooMuch(Exception):
    """The budget is used up."""


@dataclass
class Budget:
    """How much may still be unpacked."""

    left: int = MOST_BYTES

    def take(self, size: int) -> None:
        """Raises TooMuch."""
        self.left -= size
        if self.left < 0:
            raise TooMuch


def open_file(data: bytes, budget: Budget) -> Opened | None:
    """What is inside; None when it is no archive, is broken, or holds too much."""
    for fits, opener in _OPENERS:
        if fits(data):
            try:
                return opener(data, budget)
            except (
                TooMuch,
                zipfile.BadZipFile,
                tarfile.TarError,
                lzma.LZMAError,
                zlib.error,
                struct.error,
                UnicodeError,
                EOFError,
                OSError,
                ValueError,
                KeyError,
                IndexError,
                RuntimeError,
                NotImplementedError,
            ):
                return None
    return None


def _zip(data: bytes, budget: Budget) -> Opened:
    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        listed = archive.infolist()
        if len(listed) > MOST_MEMBERS:
            raise TooMuch
        for info in listed:
            budget.take(info.file_size)
            year, month, day, hour, minute, second = info.date_time
            found.append(
                Member(
                    info.filename,
                    archive.read(info),
                    time=f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}",
                    mode=f"{info.external_attr >> 16:o}" if info.create_system == 3 else "",
                    extra=f"system {info.create_system}, method {info.compress_type}, "
                    f"flags {info.flag_bits:x}, version {info.create_version}, extra {info.extra.hex()}",
                )
            )
        return Opened("zip", tuple(found), {"comment": archive.comment.decode(errors="replace")})


def _tar(data: bytes, budget: Budget) -> Opened:
    found: list[Member] = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for info in archive:
            if len(found) >= MOST_MEMBERS:
                raise TooMuch
            budget.take(info.size if info.isfile() else 0)
            stream = archive.extractfile(info) if info.isfile() else None
            extra = "" if info.isfile() else f"{info.type!r} {info.linkname}"
            found.append(
                Member(
                    info.name,
                    stream.read() if stream else b"",
                    time=datetime.fromtimestamp(info.mtime, UTC).isoformat(" ")[:19],
                    mode=f"{info.mode:o}",
                    owner=f"{info.uid}:{info.gid} {info.uname}:{info.gname}",
                    extra=extra,
                )
            )
    return _image(found) or Opened("tar", tuple(found))


def _image(members: list[Member]) -> Opened | None:
    """An OCI image: its parts by what they are, for their names are digests of themselves."""
    blobs = {each.name.removeprefix("./"): each.data for each in members}
    if "oci-layout" not in blobs or "index.json" not in blobs:
        return None

    def blob(described: Mapping[str, Any]) -> bytes:
        return blobs["blobs/" + described["digest"].replace(":", "/")]

    index = json.loads(blobs["index.json"])
    found: list[Member] = []
    for number, described in enumerate(index["manifests"]):
        manifest = json.loads(blob(described))
        config = json.dumps(json.loads(blob(manifest["config"])), indent=1, sort_keys=True)
        mark = f"image {number + 1} " if len(index["manifests"]) > 1 else ""
        found.append(Member(f"{mark}configuration.json", config.encode()))
        found += [Member(f"{mark}layer {at + 1}", blob(layer)) for at, layer in enumerate(manifest["layers"])]
    return Opened("image", tuple(found))


def _gzip(data: bytes, budget: Budget) -> Opened:
    flags = data[3]
    stamp = struct.unpack("<I", data[4:8])[0]
    head = {"time": datetime.fromtimestamp(stamp, UTC).isoformat(" ")[:19] if stamp else "none"}
    head["level and system"] = f"{data[8]} {data[9]}"
    at = 10
    if flags & 4:
        at += 2 + struct.unpack("<H", data[at : at + 2])[0]
    if flags & 8:
        end = data.index(b"\0", at)
        head["name"] = data[at:end].decode("latin-1")
    return Opened("gzip", (Member("content", _unpacked(zlib.decompressobj(31), data, budget)),), head)


def _unpacked(packer: Any, data: bytes, budget: Budget) -> bytes:
    made = packer.decompress(data, budget.left + 1)
    budget.take(len(made))
    if not packer.eof:
        raise TooMuch
    return bytes(made)


def _bzip2(data: bytes, budget: Budget) -> Opened:
    return Opened("bzip2", (Member("content", _unpacked(bz2.BZ2Decompressor(), data, budget)),))


def _xz(data: bytes, budget: Budget) -> Opened:
    return Opened("xz", (Member("content", _unpacked(lzma.LZMADecompressor(), data, budget)),))


def _ar(data: bytes, budget: Budget) -> Opened:
    at, names = len(_AR), b""
    found: list[Member] = []
    while at + 60 <= len(data):
        head = data[at : at + 60]
        name, time, uid, gid, mode, size = (
            head[start:end].decode("ascii").strip()
            for start, end in ((0, 16), (16, 28), (28, 34), (34, 40), (40, 48), (48, 58))
        )
        body = data[at + 60 : at + 60 + int(size)]
        budget.take(len(body))
        at += 60 + int(size) + int(size) % 2
        if name == "//":
            names = body
        elif name.startswith("/") and name[1:].isdigit():
            name = names[int(name[1:]) :].split(b"\n")[0].decode(errors="replace")
        found.append(Member(name.rstrip("/") or name, body, time=time, mode=mode, owner=f"{uid}:{gid}"))
    return Opened("ar", tuple(found))


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(marks)


_Opener = tuple[Callable[[bytes], bool], Callable[[bytes, Budget], Opened]]
_OPENERS: tuple[_Opener, ...] = (
    (_starts(b"PK\x03\x04", b"PK\x05\x06"), _zip),
    (_starts(b"\x1f\x8b\x08"), _gzip),
    (_starts(b"BZh"), _bzip2),
    (_starts(b"\xfd7zXZ\0"), _xz),
    (_starts(_AR), _ar),
    (lambda data: data[257:262] == b"ustar", _tar),
)


def build_id(data: bytes) -> tuple[int, int] | None:
    """Where an ELF file's build id lies; None when it has none, or is no ELF file."""
    if data[:4] != b"\x7fELF":
        return None
    at = data.find(b"GNU\0")
    while at >= 12:
        name, size, kind = struct.unpack("<III", data[at - 12 : at])
        if (name, kind) == (4, 3) and 8 <= size <= 64:
            return at + 4, at + 4 + size
        at = data.find(b"GNU\0", at + 4)
    return None
