"""Verification of the live ledger: every entry, tile and checkpoint in the database."""

from __future__ import annotations

from collections.abc import Iterator

from clearway.ledger import store
from clearway.ledger.model import Record, entry_bytes
from clearway.ledger.note import NoteError, VerifierKey, open_note, parse_head
from clearway.ledger.signer import NoteSigner
from clearway.ledger.standalone_verify import Scan, Verification, upper_levels
from clearway.ledger.tiles import TILE_WIDTH
from clearway.ledger.tree import HASH_SIZE, Frontier, leaf_hash, root_of
from clearway.storage import Database, UnitOfWork

_STEP = 64 * TILE_WIDTH  # about a fifth of a second


def verify_live(uow: UnitOfWork, old_checkpoint: str | None = None) -> Verification:
    """Recomputes every hash from the entries as pages read them, and compares with all that is on record.

    `old_checkpoint` is one that was kept outside: without it, somebody who can write the database and drops
    both entries and checkpoints from the end leaves no trace in it.
    """
    result = _Check(uow.tool(NoteSigner), old_checkpoint).step(uow, None)
    assert result is not None  # noqa: S101 - a step without limit reaches the end
    return result


def verify_in_steps(database: Database, old_checkpoint: str | None = None) -> Verification:
    """Like `verify_live`, in many short transactions: on SQLite a long one would keep writers waiting."""
    check = _Check(database.tool(NoteSigner), old_checkpoint)
    while True:
        with database.read() as uow:
            result = check.step(uow, _STEP)
        if result is not None:
            return result


class _Check:
    """How far a verification has come. Entries that are added meanwhile are verified too."""

    def __init__(self, signer: NoteSigner, old_checkpoint: str | None) -> None:
        self.name = signer.name
        self.key = VerifierKey.parse(signer.verifier_key)
        self.signed: dict[int, tuple[bytes, str]] = {}
        self.scan = Scan(self.signed)
        self.at = 0  # entries verified
        self.known = -1  # largest stored checkpoint that was read
        if old_checkpoint is not None:
            self._learn("older checkpoint", old_checkpoint)

    def step(self, uow: UnitOfWork, most: int | None) -> Verification | None:
        """Verifies up to so many more entries (a multiple of 256); the result when that was the last."""
        for each in store.checkpoints_after(uow.connection, self.known):
            self._learn(f"checkpoint of {each.size} entries", each.note)
            self.known = each.size
        head = store.read_head(uow.connection)
        total = max([head.size, *self.signed])
        end = total if most is None else min(total, self.at + most)
        tiles = store.stored_tiles(uow.connection, 0, self.at // TILE_WIDTH, -(-end // TILE_WIDTH))
        hashes = {number: packed for number, packed, _ in tiles}
        for first, rows in _blocks(uow, self.at, end):
            width = min(TILE_WIDTH, end - first)
            record = _record(self.scan, first, width, rows, hashes.get(first // TILE_WIDTH))
            found = [(row.index, leaf_hash(entry_bytes(row))) for row, _ in rows]
            self.scan.block(first, width, found, record)
        self.at = end
        return None if end < total else self._finish(uow, head, total)

    def _learn(self, what: str, note: str) -> None:
        """Notes the root that a checkpoint signs; says so when the key did not sign it."""
        try:
            found = parse_head(open_note(note, self.key))
        except NoteError as error:
            self.scan.say("checkpoint", None, None, f"the {what} is not to be trusted: {error}")
            return
        if self.signed.setdefault(found.size, (found.root, f"the {what}"))[0] != found.root:
            message = f"two roots were signed for {found.size} entries: the log has forked"
            self.scan.say("checkpoint", None, None, message)

    def _finish(self, uow: UnitOfWork, head: Frontier, total: int) -> Verification:
        scan = self.scan
        for index in store.indices_outside(uow.connection, total):
            scan.say("extra", index, index, f"entry {index} lies outside the ledger of {total} entries")
        if total > head.size:
            message = f"the head says {head.size} entries, but {total} were signed: the ledger was cut"
            scan.say("cut", head.size, total - 1, message)
        elif not scan.blind and head.root() not in (scan.there.root(), scan.recorded.root()):
            message = f"the stored edge of the tree is not that of its {total} entries"
            scan.say("edge", None, None, message)
        _check_tiles(uow, scan, head.size)
        scan.settle(total)
        return Verification(self.name, head.size, scan.there.root().hex(), tuple(scan.problems))


def _blocks(uow: UnitOfWork, start: int, end: int) -> Iterator[tuple[int, list[tuple[Record, bytes]]]]:
    """Rows in blocks of 256 indices; rows that are missing are just not there."""
    rows = store.all_records(uow.connection, start, end)
    ahead = next(rows, None)
    for first in range(start, end, TILE_WIDTH):
        block = []
        while ahead is not None and ahead[0].index < first + TILE_WIDTH:
            block.append(ahead)
            ahead = next(rows, None)
        yield first, block


def _record(
    scan: Scan, first: int, width: int, rows: list[tuple[Record, bytes]], tile: bytes | None
) -> list[bytes | None]:
    """The hashes on record of one block: its tile's once that was full, those beside the entries before."""
    beside: list[bytes | None] = [None] * width
    for row, leaf in rows:
        beside[row.index - first] = leaf
    if tile is None or width < TILE_WIDTH or len(tile) != TILE_WIDTH * HASH_SIZE:
        return beside
    hashes = [tile[at : at + HASH_SIZE] for at in range(0, len(tile), HASH_SIZE)]
    for index, (kept, hashed) in enumerate(zip(beside, hashes, strict=True), first):
        if kept is not None and kept != hashed:
            scan.say("tile", index, index, f"the hash beside entry {index} is not the one in its tile")
    return list(hashes)


def _check_tiles(uow: UnitOfWork, scan: Scan, size: int) -> None:
    """Each full tile must be there, with the root of its hashes; those above level 0 hold roots of tiles."""
    count = size // TILE_WIDTH
    roots = {(0, at): {scan.full[at], scan.full_there[at]} for at in range(count)}
    held: dict[tuple[int, int], set[bytes]] = {}
    for full in (scan.full[:count], scan.full_there[:count]):
        for level, number, hashes in upper_levels(full):
            if len(hashes) == TILE_WIDTH:
                held.setdefault((level, number), set()).add(b"".join(hashes))
                roots.setdefault((level, number), set()).add(root_of(hashes))
    stored: dict[tuple[int, int], tuple[bytes, bytes]] = {}
    level = 0
    while rows := list(store.stored_tiles(uow.connection, level, 0, 1 << 53)):
        stored |= {(level, number): (hashes, root) for number, hashes, root in rows}
        level += 1
    for level, number in sorted(roots.keys() | stored.keys()):
        packed, top = stored.get((level, number), (b"", b""))
        whole = packed in held.get((level, number), ()) if level else len(packed) == TILE_WIDTH * HASH_SIZE
        if not whole or top not in roots.get((level, number), ()):
            first, last = number * TILE_WIDTH ** (level + 1), (number + 1) * TILE_WIDTH ** (level + 1) - 1
            message = f"tile {level}/{number} does not hold the hashes of entries {first} to {last}"
            scan.say("tile", first, last, message)
