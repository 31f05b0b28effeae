"""Bytes by digest.

Rules:
1. A blob appears under its digest complete or not at all: written beside, synced, then renamed.
2. Bytes are hashed once, while they stream in.
3. What is suspect is hashed again on the way out; a mismatch is never served.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from clearway.kernel import Invalid, NotFound, is_digest

from .intake import CHUNK, Blob, Intake


class Blobs(Protocol):
    """A content-addressed store."""

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Blob:
        """Store the bytes; the same bytes twice are one blob. Raises Conflict when `expected` differs."""

    def receive(self, algorithms: Sequence[str] = ()) -> Intake:
        """Begin to receive one file; `algorithms` names further digests that are wanted, such as sha512."""

    def resume(self, path: Path, algorithms: Sequence[str] = ()) -> Intake:
        """Go on with a file that was paused: its bytes are hashed again. Raises NotFound."""

    def size(self, digest: str) -> int:
        """The blob's size in bytes. Raises NotFound."""

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
        intake = self.receive()
        try:
            for chunk in chunks:
                intake.write(chunk)
            return intake.finish(expected)
        finally:
            intake.abandon()

    def receive(self, algorithms: Sequence[str] = ()) -> Intake:
        """See Blobs.receive."""
        return Intake(self.root / "incoming", self._keep, algorithms)

    def resume(self, path: Path, algorithms: Sequence[str] = ()) -> Intake:
        """See Blobs.resume."""
        if path.parent != self.root / "incoming" or not path.is_file():
            raise NotFound("there is no such upload any more", todo="Begin again.")
        return Intake(path.parent, self._keep, algorithms, path)

    def size(self, digest: str) -> int:
        """See Blobs.size."""
        return self.path(digest).stat().st_size

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
