"""Every way to falsify the database that we could think of, done; and found, with the entry concerned."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clearway import ledger
from clearway.ledger.model import entry_bytes
from clearway.ledger.note import TreeHead, format_head
from clearway.ledger.store import all_records
from clearway.ledger.tree import Frontier, leaf_hash, root_of
from clearway.storage import Database

from .conftest import SIZE, Fill, Found, attack, found, live, sign


def rewrite(database: Database, index: int, *, tiles: bool = True) -> None:
    """Somebody who knows the design: changes an entry and every hash that follows, but has no key."""
    attack(database)
    with database.begin() as uow:
        forge = sa.text("update ledger_entry set actor = 'nobody' where \"index\" = :index")
        uow.connection.execute(forge, {"index": index})
        rows = [row for row, _ in all_records(uow.connection, 0, SIZE)]
        leaves = [leaf_hash(entry_bytes(row)) for row in rows]
        edge = Frontier()
        for leaf in leaves:
            edge.append(leaf)
        set_leaf = sa.text('update ledger_entry set leaf = :leaf where "index" = :index')
        uow.connection.execute(set_leaf, {"leaf": leaves[index], "index": index})
        uow.connection.execute(sa.text("update ledger_head set frontier = :edge"), {"edge": edge.to_bytes()})
        if tiles:
            for number in range(SIZE // 256):
                part = leaves[number * 256 : (number + 1) * 256]
                uow.connection.execute(
                    sa.text("update ledger_tile set hashes = :hashes, root = :root where number = :number"),
                    {"hashes": b"".join(part), "root": root_of(part), "number": number},
                )


def test_an_honest_ledger_verifies_at_every_size(database: Database, fill: Fill) -> None:
    """Empty, small, at and around the tile's width, signed or not; and says its size and root."""
    assert live(database).ok
    for count in (1, 254, 1, 1, 255, 88):
        fill(count)
        assert found(live(database)) == []
        root = sign(database).root
        result = live(database)
        assert (result.ok, result.root) == (True, root)
    assert result.entries == SIZE


CHANGES = [
    "actor = 'nobody'",
    "actor_kind = 'robot'",
    "action = 'a.c'",
    "subject = 's:other'",
    "reason = ''",
    "digest = 'sha256:00'",
    "data = '{\"n\":0}'",
    "data = null",
    "data = 'no json'",
    "at = at + 1",
]


@pytest.mark.parametrize("signed", [True, False])
def test_every_changed_entry_is_named(database: Database, fill: Fill, signed: bool) -> None:
    """Whichever field, in a full tile or on the right edge, signed or not yet."""
    fill(SIZE)
    if signed:
        sign(database)
    changes = {at + start: change for start in (7, 580) for at, change in enumerate(CHANGES)}
    attack(
        database,
        *(f'update ledger_entry set {change} where "index" = {at}' for at, change in changes.items()),  # noqa: S608
    )
    assert found(live(database)) == [("changed", index, index) for index in sorted(changes)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("= 7", [("missing", 7, 7)]),
        ("= 599", [("missing", 599, 599)]),
        ("between 250 and 260", [("missing", 250, 255), ("missing", 256, 260)]),
        ("in (1, 3)", [("missing", 1, 1), ("missing", 3, 3)]),
        (">= 590", [("missing", 590, 599)]),
    ],
)
def test_a_deleted_entry_is_named(database: Database, fill: Fill, where: str, expected: Found) -> None:
    """One, several, or the whole end."""
    fill(SIZE)
    sign(database)
    attack(database, f'delete from ledger_entry where "index" {where}')  # noqa: S608
    assert found(live(database)) == expected


def test_two_swapped_entries_are_named(database: Database, fill: Fill) -> None:
    """Each no longer fits its place."""
    fill(SIZE)
    sign(database)
    attack(
        database,
        'update ledger_entry set "index" = 9999 where "index" = 3',
        'update ledger_entry set "index" = 3 where "index" = 580',
        'update ledger_entry set "index" = 580 where "index" = 9999',
    )
    assert {("changed", 3, 3), ("changed", 580, 580)} <= set(found(live(database)))


def test_a_moved_number_leaves_a_gap_that_is_named(database: Database, fill: Fill) -> None:
    """Renumbering everything after a deleted entry changes each of them."""
    fill(20)
    sign(database)
    attack(
        database,
        'delete from ledger_entry where "index" = 10',
        'update ledger_entry set "index" = "index" - 1 where "index" > 10',
    )
    named = {first for kind, first, _ in found(live(database)) if kind in ("changed", "missing")}
    assert named == set(range(10, 20))


def test_a_cut_end_is_named(database: Database, fill: Fill) -> None:
    """Entries and head cut together still contradict the signed size."""
    fill(256)
    fill(4)
    sign(database)
    head = "update ledger_head set size = 256, frontier = (select root from ledger_tile)"
    attack(database, 'delete from ledger_entry where "index" >= 256', head)
    assert ("cut", 256, 259) in found(live(database))


def test_a_cut_end_without_its_checkpoints_takes_one_kept_outside(database: Database, fill: Fill) -> None:
    """The database alone cannot know what was dropped with its traces; any older checkpoint can."""
    fill(256)
    fill(4)
    kept = sign(database).note
    attack(
        database,
        'delete from ledger_entry where "index" >= 256',
        "update ledger_head set size = 256, frontier = (select root from ledger_tile)",
        "delete from ledger_checkpoint",
    )
    assert found(live(database)) == []
    assert ("cut", 256, 259) in found(live(database, kept))


@pytest.mark.parametrize("index", [7, 300, 599])
def test_an_entry_rewritten_with_all_its_hashes_contradicts_the_signature(
    database: Database, fill: Fill, index: int
) -> None:
    """The signed roots tell between which two checkpoints it happened."""
    for count in (100, 300, 200):
        fill(count)
        sign(database)
    rewrite(database, index)
    first = max(size for size in (0, 100, 400) if size <= index)
    after = min(size for size in (100, 400, 600) if size > index)
    assert found(live(database))[0] == ("root", first, after - 1)


def test_an_entry_rewritten_without_its_tile_is_named(database: Database, fill: Fill) -> None:
    """The tile remembers the hash from when it was filled, signed or not."""
    fill(SIZE)
    rewrite(database, 7, tiles=False)
    assert ("changed", 7, 7) in found(live(database))


def test_a_rewritten_history_without_checkpoints_takes_one_kept_outside(
    database: Database, fill: Fill
) -> None:
    """Consistent in itself, but not what was signed."""
    fill(SIZE)
    kept = sign(database).note
    rewrite(database, 7)
    attack(database, "delete from ledger_checkpoint")
    assert found(live(database)) == []
    assert found(live(database, kept)) == [("root", 0, SIZE - 1)]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("update ledger_tile set hashes = zeroblob(8192) where number = 1", ("tile", 300, 300)),
        ("update ledger_tile set root = zeroblob(32) where number = 1", ("tile", 256, 511)),
        ("update ledger_tile set hashes = x'00' where number = 0", ("tile", 0, 255)),
        ("delete from ledger_tile where number = 0", ("tile", 0, 255)),
        ("insert into ledger_tile values (1, 0, x'00', x'00')", ("tile", 0, 65535)),
        ('update ledger_entry set leaf = zeroblob(32) where "index" = 8', ("tile", 8, 8)),
        ('update ledger_entry set leaf = zeroblob(32) where "index" = 580', ("tile", 580, 580)),
        ("update ledger_head set frontier = zeroblob(128)", ("edge", None, None)),
    ],
)
def test_damaged_hashes_are_told_from_changed_entries(
    database: Database, fill: Fill, damage: str, expected: tuple[str, int | None, int | None]
) -> None:
    """When the entries still give the signed root, the hashes are wrong, and no entry is accused."""
    fill(SIZE)
    sign(database)
    attack(database, damage)
    problems = found(live(database))
    assert "changed" not in {kind for kind, *_ in problems}
    assert expected in problems


def test_a_forged_stored_checkpoint_is_found(database: Database, fill: Fill) -> None:
    """Changed, or signed by another key."""
    fill(3)
    note = sign(database).note
    attack(database, "update ledger_checkpoint set note = replace(note, '3', '4')")
    assert found(live(database)) == [("checkpoint", None, None)]
    other = ledger.NoteSigner("clearway.local/ledger", Ed25519PrivateKey.generate())
    forged = other.sign(note.split("\n\n")[0] + "\n")
    assert found(live(database, forged)) == [("checkpoint", None, None)] * 2


def test_a_forked_log_is_found(database: Database, fill: Fill, signer: ledger.NoteSigner) -> None:
    """Two signed roots for one size: the key was used for two histories."""
    fill(3)
    sign(database)
    fork = signer.sign(format_head(TreeHead(signer.name, 3, bytes(32))))
    assert ("checkpoint", None, None) in found(live(database, fork))


def test_entries_beyond_the_head_are_found(database: Database, fill: Fill) -> None:
    """A row that no append made."""
    fill(3)
    columns = "at, actor, actor_kind, action, subject, reason, digest, data, leaf"
    attack(database, f'insert into ledger_entry select 7, {columns} from ledger_entry where "index" = 2')  # noqa: S608
    assert found(live(database)) == [("extra", 7, 7)]


def test_entries_before_the_first_are_found(database: Database, fill: Fill) -> None:
    """A row with a number that no entry has."""
    fill(3)
    attack(database, 'update ledger_entry set "index" = -1 where "index" = 0')
    assert found(live(database)) == [("missing", 0, 0), ("extra", -1, -1)]


def test_what_is_added_during_a_verification_is_verified_too(
    database: Database, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are short transactions; entries and checkpoints between them belong to the result."""
    fill(SIZE)
    real, added = Database.read, []

    def read(self: Database) -> Any:
        if len(added) < 2:
            added.append(fill(200))
            sign(self)
        return real(self)

    monkeypatch.setattr(Database, "read", read)
    result = ledger.verify_in_steps(database)
    assert (found(result), result.entries) == ([], SIZE + 400)
    assert len(added) == 2
