"""The ledger as static files: C2SP tiles, entry bundles and the checkpoint, for anyone to verify offline."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from clearway.kernel import Permanent
from clearway.ledger import store
from clearway.ledger.model import Checkpoint, Record, entry_bytes
from clearway.ledger.standalone_verify import upper_levels
from clearway.ledger.tiles import TILE_WIDTH, bundle_path, pack_entries, tile_path
from clearway.ledger.tree import Frontier, leaf_hash, root_of
from clearway.storage import UnitOfWork

from .checkpoints import checkpoint, verifier_key

PROGRAM = "verify.py"
KEY = "verifier-key"


def export(uow: UnitOfWork, folder: Path) -> Checkpoint:
    """Writes the whole log and its checkpoint into the folder, and the program that verifies it.

    The checkpoint comes last, so a folder that has one is complete. What is written was hashed again from the
    entries: raises Permanent when that does not give the signed root.
    """
    signed = checkpoint(uow)
    edge, full = Frontier(), list[bytes]()
    block: list[Record] = []
    for record, _ in store.all_records(uow.connection, 0, signed.size):
        block.append(record)
        if len(block) == TILE_WIDTH:
            full.append(_write_block(folder, len(full), block, edge))
            block = []
    if block:
        _write_block(folder, len(full), block, edge)
    if edge.root().hex() != signed.root:
        raise Permanent(
            "the ledger was damaged: its entries do not give the root that was signed",
            todo="Run `clearway audit verify` to see which entries; restore them from a backup.",
        )
    for level, number, hashes in upper_levels(full):
        _write(folder / tile_path(level, number, len(hashes)), b"".join(hashes))
    program = files("clearway.ledger").joinpath("standalone_verify.py").read_bytes()
    _write(folder / PROGRAM, program)
    _write(folder / KEY, f"{verifier_key(uow)}\n".encode())
    _write(folder / "checkpoint", signed.note.encode())
    return signed


def _write_block(folder: Path, number: int, block: list[Record], edge: Frontier) -> bytes:
    """Writes one bundle and its tile, grows the edge by its leaves, and returns the tile's root."""
    entries = [entry_bytes(record) for record in block]
    leaves = [leaf_hash(entry) for entry in entries]
    for leaf in leaves:
        edge.append(leaf)
    _write(folder / bundle_path(number, len(block)), pack_entries(entries))
    _write(folder / tile_path(0, number, len(block)), b"".join(leaves))
    return root_of(leaves)


def _write(path: Path, raw: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(raw)
    os.replace(draft, path)
