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
from clearway.storage import Database, UnitOfWork

from .checkpoints import checkpoint, verifier_key

PROGRAM = "verify.py"
_STEP = 64 * TILE_WIDTH  # about a fifth of a second
KEY = "verifier-key"


def export(uow: UnitOfWork, folder: Path) -> Checkpoint:
    """Writes the whole log and its checkpoint into the folder, and the program that verifies it.

    The checkpoint comes last, so a folder that has one is complete. What is written was hashed again from the
    entries: raises Permanent when that does not give the signed root.
    """
    writing = _Export(uow, folder)
    writing.step(uow, writing.signed.size)
    return writing.finish()


def export_in_steps(database: Database, folder: Path) -> Checkpoint:
    """Like `export`, in many short transactions: on SQLite a long one would keep writers waiting.

    Entries that are added meanwhile are not in it: it is the ledger of the checkpoint that was signed first.
    """
    with database.begin() as uow:
        writing = _Export(uow, folder)
    while writing.at < writing.signed.size:
        with database.read() as uow:
            writing.step(uow, _STEP)
    return writing.finish()


class _Export:
    """How far an export has come."""

    def __init__(self, uow: UnitOfWork, folder: Path) -> None:
        self.folder = folder
        self.signed = checkpoint(uow)
        self.key = verifier_key(uow)
        self.at = 0  # entries read
        self._edge = Frontier()
        self._roots: list[bytes] = []  # of full blocks

    def step(self, uow: UnitOfWork, most: int) -> None:
        """Writes up to so many more entries (a multiple of 256, or all)."""
        end = min(self.signed.size, self.at + most)
        block: list[Record] = []
        for record, _ in store.all_records(uow.connection, self.at, end):
            block.append(record)
            if len(block) == TILE_WIDTH:
                self._roots.append(_write_block(self.folder, len(self._roots), block, self._edge))
                block = []
        if block:
            _write_block(self.folder, len(self._roots), block, self._edge)
        self.at = end

    def finish(self) -> Checkpoint:
        """Compares with what was signed, and writes the rest. Raises Permanent."""
        if self._edge.root().hex() != self.signed.root:
            raise Permanent(
                "the ledger was damaged: its entries do not give the root that was signed",
                todo="Run `clearway audit verify` to see which entries; restore them from a backup.",
            )
        for level, number, hashes in upper_levels(self._roots):
            _write(self.folder / tile_path(level, number, len(hashes)), b"".join(hashes))
        program = files("clearway.ledger").joinpath("standalone_verify.py").read_bytes()
        _write(self.folder / PROGRAM, program)
        _write(self.folder / KEY, f"{self.key}\n".encode())
        _write(self.folder / "checkpoint", self.signed.note.encode())
        return self.signed


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
