"""Artifacts in the store, and their evidence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import make_database

from clearway import artifacts, ledger
from clearway.artifacts import PROVENANCE, SBOM, Signer, Untrusted
from clearway.artifacts.ports import MemorySigner
from clearway.kernel import Actor, Conflict, Invalid, NotFound, Retry, sha256
from clearway.storage import Blobs, Database, FileBlobs, UnitOfWork

DANA = Actor("dana")
DIGEST = sha256(b"bytes")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools = {Blobs: FileBlobs(tmp_path / "blobs"), Signer: MemorySigner()}
    database = make_database(tmp_path, tools=tools)
    yield database
    database.dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.tar"
    path.write_bytes(b"bytes")
    return path


def put(
    uow: UnitOfWork, path: Path, build_id: str | None = "bld_1", version: str = "1.0.0"
) -> artifacts.Artifact:
    return artifacts.put(
        uow,
        DANA,
        path,
        name=path.name,
        type="bundle",
        purl=f"pkg:generic/shop@{version}",
        service="shop",
        version=version,
        build_id=build_id,
    )


def test_an_artifact_is_stored_once_with_a_ledger_entry(database: Database, file: Path) -> None:
    """The same again changes nothing; another build of the same bytes is its own record of one blob."""
    with database.begin() as uow:
        assert put(uow, file) == put(uow, file)
        put(uow, file, build_id="bld_2")
    with database.read() as uow:
        assert [entry.digest for entry in ledger.entries(uow).items] == [DIGEST, DIGEST]
        assert artifacts.get(uow, DIGEST).build_id == "bld_1"
        assert [each.build_id for each in artifacts.list(uow, digest=DIGEST).items] == ["bld_2", "bld_1"]
        with artifacts.open(uow, DIGEST) as stream:
            assert stream.read() == b"bytes"


def test_pages_hold_every_artifact_once(database: Database, file: Path) -> None:
    """Following cursors, newest first."""
    with database.begin() as uow:
        for number in range(5):
            put(uow, file, version=f"1.0.{number}", build_id=f"bld_{number}")
        first = artifacts.list(uow, service="shop", limit=3)
        rest = artifacts.list(uow, service="shop", limit=3, after=first.next_cursor)
        assert rest.next_cursor is None
        versions = [each.version for each in (*first.items, *rest.items)]
        assert versions == [f"1.0.{number}" for number in (4, 3, 2, 1, 0)]
        assert artifacts.list(uow, service="other").items == []


def test_bytes_changed_on_disk_are_never_given_out(database: Database, file: Path) -> None:
    """They are reported with their digest; the same bytes stored again heal the store."""
    with database.begin() as uow:
        put(uow, file)
        stored = uow.tool(Blobs).path(DIGEST)  # type: ignore[type-abstract]
        os.chmod(stored, 0o644)
        stored.write_bytes(b"bytEs")
        with pytest.raises(artifacts.Damaged, match=DIGEST):
            artifacts.open(uow, DIGEST)
        put(uow, file, build_id="bld_again")
        with artifacts.open(uow, DIGEST) as stream:
            assert stream.read() == b"bytes"
        assert stored.with_name(stored.name + ".damaged").read_bytes() == b"bytEs"


def test_a_full_disk_stores_nothing(database: Database, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do, and no record speaks of bytes that are not there."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Retry, match="full"), database.begin() as uow:
        put(uow, file)
    monkeypatch.undo()
    with database.read() as uow:
        assert artifacts.list(uow).items == []
        with pytest.raises(NotFound):
            artifacts.get(uow, DIGEST)


def test_a_digest_that_was_promised_is_kept(tmp_path: Path, file: Path) -> None:
    """Other bytes than expected are refused."""
    with pytest.raises(Conflict):
        artifacts.keep_file(FileBlobs(tmp_path / "b"), file, expected="sha256:" + "0" * 64)


def attach(uow: UnitOfWork, kind: str = PROVENANCE, signer: Signer | None = None) -> artifacts.Evidence:
    content = artifacts.statement([("a", DIGEST), ("b", sha256(b"b"))], kind, {"n": 1})
    return artifacts.attach(uow, DIGEST, kind, artifacts.sign(signer or uow.tool(Signer), content))  # type: ignore[type-abstract]


def test_evidence_is_kept_once_for_each_subject(database: Database) -> None:
    """Attached twice is attached once; each subject finds it; oldest first."""
    with database.begin() as uow:
        first = attach(uow)
        assert attach(uow).id == first.id
        attach(uow, SBOM)
        assert [each.predicate_type for each in artifacts.evidence(uow, DIGEST)] == [PROVENANCE, SBOM]
        assert artifacts.evidence(uow, sha256(b"b"))[0].predicate == {"n": 1}
        assert artifacts.evidence(uow, sha256(b"c")) == []
        assert len(artifacts.verify_stored(uow, DIGEST)) == 2


def test_evidence_must_be_ours_and_about_the_digest(database: Database) -> None:
    """A stranger's signature, another digest, another type: refused."""
    with database.begin() as uow:
        with pytest.raises(Untrusted):
            attach(uow, signer=MemorySigner(b"\3" * 32))
        content = artifacts.sign(uow.tool(Signer), artifacts.statement([("a", DIGEST)], SBOM, {}))  # type: ignore[type-abstract]
        with pytest.raises(Invalid):
            artifacts.attach(uow, sha256(b"other"), SBOM, content)
        with pytest.raises(Invalid):
            artifacts.attach(uow, DIGEST, PROVENANCE, content)
        assert artifacts.evidence(uow, DIGEST) == []


def test_exported_evidence_verifies_elsewhere(database: Database, file: Path) -> None:
    """What the server gives out is enough for verification without it."""
    with database.begin() as uow:
        put(uow, file)
        attach(uow)
        text, pem = artifacts.export_evidence(uow, DIGEST), artifacts.public_key_pem(uow)
    assert artifacts.verify_file(file, text, pem.encode()).verified
