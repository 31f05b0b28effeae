"""Bytes by digest.

Rules:
1. A blob appears under its digest complete or not at all: written beside, synced, then renamed.
2. Bytes are hashed once, while they stream in.
3. What is suspect is hashed again on the way out; a mismatch is never served.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from clearway.kernel import Conflict, Invalid, NotFound, Retry, is_digest

CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """What is stored: its digest and its size in bytes."""

    digest: str
    size: int


class Blobs(Protocol):
    """A content-addressed store."""

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Blob:
        """Store the bytes; the same bytes twice are one blob. Raises Conflict when `expected` differs."""

    def open(self, digest: str) -> BinaryIO:
        """The bytes, from the start. Raises NotFound."""

    def path(self, digest: str) -> Path:
        """A local file that holds the bytes. Raises NotFound."""

    def exists(self, digest: str) -> bool:
        """Whether the blob is here."""

    def verify(self, digest: str) -> bool:
        """Hash the stored bytes again: are they still what the digest says? Raises NotFound."""


class FileBlobs:
    """Blobs in a folder: `sha256/ab/cdef...`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sha256").mkdir(parents=True, exist_ok=True)
        (root / "incoming").mkdir(exist_ok=True)

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Blob:
        """See Blobs.put. A full disk raises Retry and leaves nothing behind."""
        digest, size = hashlib.sha256(), 0
        descriptor, name = tempfile.mkstemp(dir=self.root / "incoming")
        try:
            with os.fdopen(descriptor, "wb") as out:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            found = "sha256:" + digest.hexdigest()
            if expected is not None and found != expected:
                raise Conflict(f"the bytes have digest {found}", expected=expected)
            self._keep(Path(name), found)
            return Blob(found, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Retry(
                    "the disk that holds the artifacts is full; nothing was stored", todo="Free some space."
                ) from error
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def _keep(self, incoming: Path, digest: str) -> None:
        target = self._place(digest)
        if target.exists():
            return
        target.parent.mkdir(exist_ok=True)
        os.chmod(incoming, 0o444)
        os.replace(incoming, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _place(self, digest: str) -> Path:
        if not is_digest(digest):
            raise Invalid(f"{digest!r} is not a digest", expected="sha256: and 64 hexadecimal digits")
        hexadecimal = digest.removeprefix("sha256:")
        return self.root / "sha256" / hexadecimal[:2] / hexadecimal[2:]

    def path(self, digest: str) -> Path:
        """See Blobs.path."""
        place = self._place(digest)
        if not place.exists():
            raise NotFound(f"no bytes are stored under {digest}")
        return place

    def open(self, digest: str) -> BinaryIO:
        """See Blobs.open."""
        return self.path(digest).open("rb")

    def exists(self, digest: str) -> bool:
        """See Blobs.exists."""
        return self._place(digest).exists()

    def verify(self, digest: str) -> bool:
        """See Blobs.verify."""
        found = hashlib.sha256()
        for chunk in read_chunks(self.path(digest)):
            found.update(chunk)
        return "sha256:" + found.hexdigest() == digest


def read_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces of at most one MiB."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
