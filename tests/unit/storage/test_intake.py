"""Bytes on their way in."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from clearway.kernel import Conflict, Invalid, NotFound, Retry, sha256
from clearway.storage import FileBlobs, Intake

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


def left(blobs: FileBlobs) -> list[Path]:
    return [path for path in blobs.root.rglob("*") if path.is_file()]


def test_bytes_are_hashed_once_in_every_way_that_is_asked_for(blobs: FileBlobs) -> None:
    """The blob appears under its SHA-256; the other digests are told beside it."""
    intake = blobs.receive(("sha1", "md5", "sha512"))
    for start in range(0, len(CONTENT), 999):
        intake.write(CONTENT[start : start + 999])
    blob = intake.finish(sha256(CONTENT), len(CONTENT))
    assert blobs.path(blob.digest).read_bytes() == CONTENT
    assert (blob.size, blobs.size(blob.digest)) == (len(CONTENT), len(CONTENT))
    expected = {name: hashlib.new(name, CONTENT).hexdigest() for name in ("sha1", "md5", "sha512")}
    assert intake.hashes == expected


def test_another_digest_or_length_than_promised_leaves_nothing(blobs: FileBlobs) -> None:
    """A client that lies costs nothing."""
    with pytest.raises(Conflict):
        told(blobs).finish(sha256(b"other"))
    with pytest.raises(Invalid):
        told(blobs).finish(size=3)
    told(blobs).abandon()
    assert left(blobs) == []


def told(blobs: FileBlobs) -> Intake:
    intake = blobs.receive()
    intake.write(b"word")
    return intake


def test_nothing_is_seen_before_the_end(blobs: FileBlobs) -> None:
    """What is half there is nowhere under its digest."""
    intake = told(blobs)
    assert not blobs.exists(sha256(b"word"))
    intake.finish()
    assert blobs.exists(sha256(b"word"))


def test_a_paused_file_goes_on_in_another_process(blobs: FileBlobs) -> None:
    """Its bytes are hashed again, and it ends under the digest of the whole."""
    intake = told(blobs)
    intake.pause()
    resumed = FileBlobs(blobs.root).resume(intake.path, ("sha512",))
    assert resumed.size == 4
    resumed.write(b"less")
    assert resumed.finish().digest == sha256(b"wordless")
    assert resumed.hashes["sha512"] == hashlib.sha512(b"wordless").hexdigest()
    with pytest.raises(NotFound):
        blobs.resume(intake.path)


def test_only_what_was_begun_here_goes_on(blobs: FileBlobs, tmp_path: Path) -> None:
    """No file elsewhere becomes a blob by its name."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    for path in (secret, tmp_path / "incoming" / ".." / "secret", tmp_path / "incoming"):
        with pytest.raises(NotFound):
            blobs.resume(path)


def test_a_full_disk_is_told_and_leaves_nothing(blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent it may try again."""
    intake = told(blobs)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("clearway.storage.intake.os.fsync", full)
    with pytest.raises(Retry):
        intake.finish()
    assert left(blobs) == []


def test_the_same_bytes_twice_are_one_blob(blobs: FileBlobs) -> None:
    """Whatever named them."""
    assert told(blobs).finish() == told(blobs).finish()
    assert len(left(blobs)) == 1
