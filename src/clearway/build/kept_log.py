"""Where a log lies: a file that grows, then a compressed one; both are read by offset and by line.

Rules:
1. The compressed file is gzip, one member for about a MiB of whole lines; any gzip program reads it. Each
   member says in its head how long it is, packed and unpacked, and how many lines it holds: to read a piece,
   nothing before it is unpacked.
2. It gets its name when it is whole and on the disk, and only then the other one goes: a crash in between
   leaves one or both, each complete.
3. Offsets count the bytes of the text, and lines begin at 1, wherever the text lies.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

GROWING = "log.txt"
PACKED = "log.gz"
FRESH = "log.gz.new"
FRAME_BYTES = 1 << 20
LEAST_BYTES = 64 << 10  # a smaller log stays as it is: packing it gains nothing
_LEVEL = 3
# A gzip member's head with one extra field: "CW", then packed length of the member, text's length, lines.
_HEAD = struct.Struct("<2s2BI2BH2sH3I")
_MAGIC = b"\x1f\x8b"
_MARK = b"CW"
_END = struct.Struct("<2I")


class Stored(Protocol):
    """A log that is open to be read."""

    def read(self, offset: int, most: int) -> bytes:
        """Text from an offset on; less than `most` only at the end."""

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        """The text from an offset on, in pieces of some size."""

    def line(self, offset: int) -> int:
        """The number of the line that begins at an offset, or that it lies in."""

    def start(self, line: int) -> int:
        """Where a line begins; the end of the log when it has fewer."""

    def size(self) -> int:
        """How long the text is."""


@contextmanager
def opened(folder: Path) -> Iterator[Stored]:
    """The log of a build's folder, however it lies; an empty one when there is none yet."""
    with contextlib.ExitStack() as stack:
        # It may be packed between the first look and the second.
        for name, kind in ((GROWING, _Growing), (PACKED, _Packed)):
            with contextlib.suppress(FileNotFoundError):
                yield kind(stack.enter_context((folder / name).open("rb")))
                return
        yield _Nothing()


class _Nothing:
    def read(self, offset: int, most: int) -> bytes:
        return b""

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        yield from ()

    def line(self, offset: int) -> int:
        return 1

    def start(self, line: int) -> int:
        return 0

    def size(self) -> int:
        return 0


class _Growing:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, offset: int, most: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(most)

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        self._stream.seek(offset)
        while data := self._stream.read(FRAME_BYTES):
            yield data

    def line(self, offset: int) -> int:
        found = 1
        for data in self.blocks():
            if offset <= len(data):
                return found + data.count(b"\n", 0, offset)
            found += data.count(b"\n")
            offset -= len(data)
        return found

    def start(self, line: int) -> int:
        at, left = 0, line - 1
        for data in self.blocks():
            here = data.count(b"\n")
            if left <= here:
                return at + after(data, left)
            left -= here
            at += len(data)
        return at

    def size(self) -> int:
        return os.fstat(self._stream.fileno()).st_size


@dataclass(frozen=True)
class _Frame:
    place: int  # in the file
    packed: int  # bytes of the member
    offset: int  # of its text
    length: int  # of its text
    line: int  # the number of its first
    lines: int


class _Packed:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._frames = list(_frames(stream))

    def read(self, offset: int, most: int) -> bytes:
        found = []
        for data in self.blocks(offset):
            found.append(data[:most])
            most -= len(found[-1])
            if most <= 0:
                break
        return b"".join(found)

    def blocks(self, offset: int = 0) -> Iterator[bytes]:
        for frame in self._frames:
            if offset < frame.offset + frame.length:
                yield self._text(frame)[max(0, offset - frame.offset) :]

    def line(self, offset: int) -> int:
        for frame in self._frames:
            if offset < frame.offset + frame.length:
                return frame.line + self._text(frame).count(b"\n", 0, offset - frame.offset)
        return self._frames[-1].line + self._frames[-1].lines if self._frames else 1

    def start(self, line: int) -> int:
        for frame in self._frames:
            if line <= frame.line + frame.lines - 1:
                return frame.offset + after(self._text(frame), line - frame.line)
        return self.size()

    def size(self) -> int:
        return self._frames[-1].offset + self._frames[-1].length if self._frames else 0

    def _text(self, frame: _Frame) -> bytes:
        self._stream.seek(frame.place)
        return zlib.decompress(self._stream.read(frame.packed), wbits=31)


def _frames(stream: IO[bytes]) -> Iterator[_Frame]:
    place = offset = 0
    line = 1
    while head := stream.read(_HEAD.size):
        magic, *_, mark, _size, packed, length, lines = _HEAD.unpack(head)
        if magic != _MAGIC or mark != _MARK:
            raise OSError(f"{stream.name} is not a packed log")
        yield _Frame(place, packed, offset, length, line, lines)
        place, offset, line = place + packed, offset + length, line + lines
        stream.seek(place)


def after(data: bytes, lines: int) -> int:
    """The place behind so many lines; not before the start."""
    at = 0
    for _ in range(lines):
        at = data.index(b"\n", at) + 1
    return at


def pack(folder: Path, *, least: int = LEAST_BYTES) -> bool:
    """Compress the log of a build that has ended; False when there is nothing to do."""
    growing, fresh = folder / GROWING, folder / FRESH
    try:
        with growing.open("rb") as stream:
            if growing.is_symlink() or os.fstat(stream.fileno()).st_size < least:
                return False
            with fresh.open("wb") as out:
                os.fchmod(out.fileno(), 0o600)
                for block in _whole_lines(stream):
                    out.write(_member(block))
                out.flush()
                os.fsync(out.fileno())
    except FileNotFoundError:
        return False
    os.replace(fresh, folder / PACKED)
    _sync(folder)
    growing.unlink()
    return True


def _whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while data := stream.read(FRAME_BYTES):
        data = rest + data
        end = data.rfind(b"\n") + 1
        if end:
            yield data[:end]
        rest = data[end:]
    if rest:
        yield rest


def _member(text: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    data = packer.compress(text) + packer.flush()
    size = _HEAD.size + len(data) + _END.size
    head = _HEAD.pack(_MAGIC, 8, 4, 0, 0, 255, 16, _MARK, 12, size, len(text), text.count(b"\n"))
    return head + data + _END.pack(zlib.crc32(text), len(text))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
