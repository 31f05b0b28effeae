"""Checkpoints and proofs of a live ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clearway import ledger
from clearway.kernel import Actor, FixedClock, Invalid, NotFound, Permanent
from clearway.ledger.standalone_verify import read_checkpoint
from clearway.ledger.store import checkpoints_after
from clearway.storage import Database

from .conftest import Fill


def sign(database: Database) -> ledger.Checkpoint:
    with database.begin() as uow:
        return ledger.checkpoint(uow)


def test_a_checkpoint_signs_what_is_there(database: Database, fill: Fill, signer: ledger.NoteSigner) -> None:
    """The note opens with the key and says size and root; the same size is signed once."""
    empty = sign(database)
    assert (empty.size, empty.root[:8]) == (0, "e3b0c442")
    fill(3)
    first = sign(database)
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(60)
    assert sign(database) == first
    assert read_checkpoint(first.note, signer.verifier_key) == (first.origin, 3, bytes.fromhex(first.root))
    with database.read() as uow:
        assert ledger.latest_checkpoint(uow) == first
        assert checkpoints_after(uow.connection, -1) == [empty, first]


def test_a_reading_transaction_signs_without_storing(database: Database, fill: Fill) -> None:
    """So that a page can show a checkpoint."""
    fill(3)
    with database.read() as uow:
        assert ledger.checkpoint(uow).size == 3
        assert ledger.latest_checkpoint(uow) is None
        assert ledger.verifier_key(uow).startswith("clearway.local/ledger+")


def test_the_chore_signs_only_what_grew(database: Database, fill: Fill) -> None:
    """Nothing for an empty ledger; once for each growth."""
    for count, expected in ((0, []), (2, [2]), (0, [2]), (1, [2, 3])):
        fill(count)
        ledger.sign_if_grown(database)
        with database.read() as uow:
            assert [each.size for each in checkpoints_after(uow.connection, -1)] == expected


@pytest.mark.parametrize(
    "damage",
    [
        "update ledger_entry set leaf = x'" + "00" * 32 + '\' where "index" = 299',
        "update ledger_entry set leaf = x'" + "00" * 32 + '\' where "index" = 280',
        'delete from ledger_entry where "index" >= 290',
        "update ledger_head set size = 256, frontier = (select root from ledger_tile)",
        "update ledger_tile set root = x'" + "00" * 32 + "'",
    ],
)
def test_a_damaged_ledger_is_not_signed(database: Database, fill: Fill, damage: str) -> None:
    """A head that contradicts what was signed before must never get a signature."""
    fill(290)
    sign(database)
    fill(10)
    with database.begin() as uow:
        for table in ("entry", "tile"):
            for verb in ("update", "delete"):
                uow.connection.exec_driver_sql(f"drop trigger ledger_{table}_no_{verb}")
        uow.connection.exec_driver_sql(damage)
    with pytest.raises(Permanent, match="damaged"):
        sign(database)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 300, 515])
def test_proofs_verify(database: Database, fill: Fill, size: int) -> None:
    """Every kind of entry and every older size of the log has a proof that leads to the signed root."""
    fill(size)
    root = bytes.fromhex(sign(database).root)
    with database.read() as uow:
        for index in {0, size // 2, size - 1}:
            proof = ledger.inclusion_proof(uow, index)
            path = [bytes.fromhex(step) for step in proof.path]
            assert bytes.fromhex(proof.root) == root
            assert ledger.verify_inclusion(bytes.fromhex(proof.leaf), index, size, path, root)
            assert f'"index":{index},' in proof.entry
        for old in {0, 1, size // 2, size}:
            grown = ledger.consistency_proof(uow, old)
            path = [bytes.fromhex(step) for step in grown.path]
            old_root = bytes.fromhex(grown.old_root)
            assert bytes.fromhex(grown.new_root) == root
            assert ledger.verify_consistency(old, size, path, old_root, root)


def test_proofs_for_an_older_checkpoint_stay_the_same(database: Database, fill: Fill) -> None:
    """Asked for the size that somebody holds, the proof is the one from then."""
    fill(300)
    with database.read() as uow:
        then = ledger.inclusion_proof(uow, 7), ledger.consistency_proof(uow, 100)
    fill(300)
    with database.read() as uow:
        assert (ledger.inclusion_proof(uow, 7, 300), ledger.consistency_proof(uow, 100, 300)) == then


def test_a_proof_shows_the_entry_as_pages_do(database: Database, fill: Fill) -> None:
    """Its text is what was hashed, so a reader can compare it word by word."""
    with database.begin() as uow:
        ledger.append(uow, Actor("dana"), "promotion.approved", "promotion:1", reason="läuft", data={"n": 1})
        proof = ledger.inclusion_proof(uow, 0)
    assert proof.entry == (
        '{"action":"promotion.approved","actor":"dana","actor_kind":"person",'
        '"at":"2026-01-05T09:00:00.000000Z","data":{"n":1},"digest":null,"index":0,"reason":"läuft",'
        '"subject":"promotion:1"}'
    )


@pytest.mark.parametrize(
    ("verb", "arguments", "error"),
    [
        (ledger.inclusion_proof, (3,), NotFound),
        (ledger.inclusion_proof, (-1,), NotFound),
        (ledger.inclusion_proof, (2, 2), NotFound),
        (ledger.inclusion_proof, (0, 4), Invalid),
        (ledger.consistency_proof, (4,), Invalid),
        (ledger.consistency_proof, (3, 2), Invalid),
        (ledger.consistency_proof, (-1,), Invalid),
    ],
)
def test_proofs_of_what_is_not_there_are_refused(
    database: Database, fill: Fill, verb: Any, arguments: tuple[int, ...], error: type[Exception]
) -> None:
    """Beyond the log, or backwards."""
    fill(3)
    with database.read() as uow, pytest.raises(error):
        verb(uow, *arguments)


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The file is 0600 and stays the same; others' eyes, other contents are refused."""
    path = tmp_path / "new" / "ledger.key"
    made = ledger.load_or_create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["ledger.key"]
    assert ledger.load_or_create_key(path).verifier_key == made.verifier_key
    assert ledger.load_or_create_key(path, "other.example/log").verifier_key != made.verifier_key
    path.chmod(0o640)
    with pytest.raises(Permanent, match="others may read"):
        ledger.load_or_create_key(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(Permanent, match="no private key"):
        ledger.load_or_create_key(path)


def test_checkpoints_and_proofs_cost_few_statements(database: Database, fill: Fill) -> None:
    """However long the log: a constant number of statements and a few hundred rows."""
    fill(600)
    sign(database)
    fill(500)
    seen: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    with database.begin() as uow:
        ledger.checkpoint(uow)
        ledger.inclusion_proof(uow, 5)
        ledger.consistency_proof(uow, 300)
    assert len(seen) < 40
