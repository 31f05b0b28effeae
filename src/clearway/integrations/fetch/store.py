"""The read-only store: every file once, under its digest.

Rules:
1. A file appears whole or not at all: written aside, then renamed.
2. Its home is its SHA-256; under other digests it is the same file once more, not a copy.
3. Nothing in the store is believed: whoever takes a file has it hashed again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from clearway.build.ports import STRONG

_CHUNK = 1 << 20


class Hashes:
    """Several digests of one stream."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._running = {kind: hashlib.new(kind, usedforsecurity=False) for kind in {*kinds, "sha256"}}
        self.size = 0

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self.size += len(data)
        for each in self._running.values():
            each.update(data)

    def wrong(self, digests: Sequence[str]) -> list[str]:
        """The digests that the bytes do not have."""
        return [each for each in digests if each not in self.all()]

    def all(self) -> list[str]:
        """Every digest."""
        return [f"{kind}:{each.hexdigest()}" for kind, each in self._running.items()]

    @property
    def sha256(self) -> str:
        """The digest that Clearway names things by."""
        return f"sha256:{self._running['sha256'].hexdigest()}"


def kinds_of(digests: Iterable[str]) -> set[str]:
    """The kinds of digests."""
    return {each.partition(":")[0] for each in digests}


class Store:
    """A folder of files by digest."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the file of a digest is, or would be."""
        kind, _, value = digest.partition(":")
        return self.root / kind / value[:2] / value

    def find(self, digests: Sequence[str]) -> tuple[Path, Hashes] | None:
        """The file with these digests, hashed just now; one that was changed is dropped."""
        for digest in digests:
            if digest.partition(":")[0] not in STRONG:
                continue
            path = self.path(digest)
            try:
                hashes = _hash(path, kinds_of(digests))
            except OSError:
                continue
            if not hashes.wrong(digests):
                return path, hashes
            if hashes.wrong([digest]):
                path.unlink(missing_ok=True)
        return None

    def begin(self) -> tuple[IO[bytes], Path]:
        """A file to write, aside."""
        place = self.root / "new"
        place.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=place)
        return os.fdopen(descriptor, "wb"), Path(name)

    def keep(self, fresh: Path, hashes: Hashes) -> Path:
        """Take in a file that was written and is right; returns its home."""
        fresh.chmod(0o444)
        home = self.path(hashes.sha256)
        home.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fresh, home)
        for digest in hashes.all():
            if digest.partition(":")[0] in STRONG and digest != hashes.sha256:
                self._also(home, self.path(digest))
        return home

    def _also(self, home: Path, name: Path) -> None:
        name.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=self.root / "new"))
        try:
            os.link(home, aside / "link")
            os.replace(aside / "link", name)
        finally:
            (aside / "link").unlink(missing_ok=True)  # two names of one file: rename leaves them both
            aside.rmdir()


def _hash(path: Path, kinds: Iterable[str]) -> Hashes:
    hashes = Hashes(kinds)
    with path.open("rb") as stream:
        while data := stream.read(_CHUNK):
            hashes.update(data)
    return hashes
