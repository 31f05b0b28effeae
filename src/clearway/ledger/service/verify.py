"""Verification of the live ledger: every entry, tile and checkpoint in the database."""

from __future__ import annotations

from collections.abc import Iterator

from clearway.ledger import store
from clearway.ledger.model import Record, entry_bytes
from clearway.ledger.note import NoteError, VerifierKey, open_note, parse_head
from clearway.ledger.signer import NoteSigner
from clearway.ledger.standalone_verify import Scan, Verification, upper_levels
from clearway.ledger.tiles import TILE_WIDTH
from clearway.ledger.tree import HASH_SIZE, leaf_hash, root_of
from clearway.storage import UnitOfWork

_Block = tuple[int, list[tuple[Record, bytes]]]


def verify_live(uow: UnitOfWork, old_checkpoint: str | None = None) -> Verification:
    """Recomputes every hash from the entries as pages read them, and compares with all that is on record.

    `old_checkpoint` is one that was kept outside: without it, somebody who can write the database and drops
    both entries and checkpoints from the end leaves no trace in it.
    """
    signed: dict[int, tuple[bytes, str]] = {}
    scan, signer = Scan(signed), uow.tool(NoteSigner)
    head = store.read_head(uow.connection)
    _signed_roots(uow, scan, signed, signer.verifier_key, old_checkpoint)
    tiles = {number: hashes for number, hashes, _ in store.stored_tiles(uow.connection, 0)}
    total = max([head.size, *signed])
    for first, rows in _blocks(uow, total):
        width = min(TILE_WIDTH, total - first)
        found = [(row.index, leaf_hash(entry_bytes(row))) for row, _ in rows]
        scan.block(first, width, found, _record(scan, first, width, rows, tiles.get(first // TILE_WIDTH)))
    beyond = store.indices_from(uow.connection, total)
    for index in beyond:
        scan.say("extra", index, index, f"entry {index} lies beyond the ledger's head")
    if total > head.size:
        message = f"the head says {head.size} entries, but {total} were signed: the ledger was cut"
        scan.say("cut", head.size, total - 1, message)
    elif head.root() not in (scan.there.root(), scan.recorded.root()):
        message = f"the stored edge of the tree is not that of its {total} entries"
        scan.say("edge", None, None, message)
    _check_tiles(uow, scan, head.size)
    scan.settle(total)
    return Verification(signer.name, head.size, scan.there.root().hex(), tuple(scan.problems))


def _signed_roots(
    uow: UnitOfWork, scan: Scan, signed: dict[int, tuple[bytes, str]], key: str, old: str | None
) -> None:
    """Collects size and root of every checkpoint that the key signed; names those that it did not."""
    stored = store.all_checkpoints(uow.connection)
    notes = [(f"checkpoint of {each.size} entries", each.note) for each in stored]
    if old is not None:
        notes.append(("older checkpoint", old))
    verifier = VerifierKey.parse(key)
    for what, note in notes:
        try:
            found = parse_head(open_note(note, verifier))
        except NoteError as error:
            scan.say("checkpoint", None, None, f"the {what} is not to be trusted: {error}")
            continue
        if signed.setdefault(found.size, (found.root, f"the {what}"))[0] != found.root:
            message = f"two roots were signed for {found.size} entries: the log has forked"
            scan.say("checkpoint", None, None, message)


def _blocks(uow: UnitOfWork, total: int) -> Iterator[_Block]:
    """Rows in blocks of 256 indices; rows that are missing are just not there."""
    rows = store.all_records(uow.connection, 0, total)
    ahead = next(rows, None)
    for first in range(0, total, TILE_WIDTH):
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
    while rows := list(store.stored_tiles(uow.connection, level)):
        stored |= {(level, number): (hashes, root) for number, hashes, root in rows}
        level += 1
    for level, number in sorted(roots.keys() | stored.keys()):
        packed, top = stored.get((level, number), (b"", b""))
        whole = packed in held.get((level, number), ()) if level else len(packed) == TILE_WIDTH * HASH_SIZE
        if not whole or top not in roots.get((level, number), ()):
            first, last = number * TILE_WIDTH ** (level + 1), (number + 1) * TILE_WIDTH ** (level + 1) - 1
            message = f"tile {level}/{number} does not hold the hashes of entries {first} to {last}"
            scan.say("tile", first, last, message)
