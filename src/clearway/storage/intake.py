"""Bytes on their way in: hashed once while they are written, and nowhere to be seen until they are whole.

Rules:
1. What was not finished leaves nothing but a file that the next start, or `abandon`, removes.
2. A digest or size that was promised and not kept is a Conflict or Invalid, and nothing is stored.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearway.kernel import Conflict, Invalid, Retry

CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """What is stored: its digest and its size in bytes."""

    digest: str
    size: int


class Intake:
    """One file being received. Not for several threads at once; `finish` or `abandon` ends it."""

    def __init__(
        self,
        folder: Path,
        keep: Callable[[Path, str], None],
        algorithms: Sequence[str] = (),
        resumed: Path | None = None,
    ) -> None:
        self._keep = keep
        self._sha256 = hashlib.sha256()
        self._others = {name: _hasher(name) for name in algorithms}
        self.size = 0
        if resumed is None:
            descriptor, name = tempfile.mkstemp(dir=folder)
            self.path = Path(name)
            self._out = os.fdopen(descriptor, "wb", buffering=0)
        else:
            self.path = resumed
            self._out = resumed.open("r+b", buffering=0)
            for chunk in _chunks(self._out):
                self._hash(chunk)

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes. Raises Retry when the disk is full."""
        with _told_when_full():
            view = memoryview(data)
            while view:
                view = view[self._out.write(view) :]
        self._hash(data)

    def _hash(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        for each in self._others.values():
            each.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """SHA-256 of what was written so far, "sha256:..."."""
        return "sha256:" + self._sha256.hexdigest()

    @property
    def hashes(self) -> Mapping[str, str]:
        """The other digests that were asked for, hexadecimal, by name."""
        return {name: each.hexdigest() for name, each in self._others.items()}

    def pause(self) -> None:
        """Close the file and leave it where it is, to be resumed later, perhaps by another process."""
        with _told_when_full():
            os.fsync(self._out.fileno())
        self._out.close()

    def finish(self, expected: str | None = None, size: int | None = None) -> Blob:
        """Keep the bytes under their digest: a Blob. Raises Conflict when they have another digest than
        expected, Invalid when another size, Retry when the disk is full; then nothing is stored."""
        try:
            if size is not None and size != self.size:
                raise Invalid(f"{self.size} bytes came", expected=f"{size} bytes")
            if expected is not None and expected != self.digest:
                raise Conflict(f"the bytes have digest {self.digest}", expected=expected)
            with _told_when_full():
                os.fsync(self._out.fileno())
                self._out.close()
                self._keep(self.path, self.digest)
            return Blob(self.digest, self.size)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Leave nothing. After `finish` it does nothing."""
        self._out.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def _hasher(name: str) -> hashlib._Hash | hashlib.blake2b:
    if name == "blake2b-256":  # what Python's package index calls blake2_256
        return hashlib.blake2b(digest_size=32)
    return hashlib.new(name, usedforsecurity=False)


def _chunks(stream: io.FileIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


@contextlib.contextmanager
def _told_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Retry(
                "the disk that holds the artifacts is full; nothing was stored", todo="Free some space."
            ) from error
        raise
