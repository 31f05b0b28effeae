"""Proofs that an entry is in the log, and that the log only grew. Each reads only a few tiles."""

from __future__ import annotations

from clearway.kernel import Invalid, NotFound
from clearway.ledger import store
from clearway.ledger.model import ConsistencyProof, InclusionProof, entry_bytes
from clearway.ledger.tiles import TILE_WIDTH, TileReader
from clearway.ledger.tree import consistency_path, inclusion_path, leaf_hash
from clearway.storage import UnitOfWork


def reader(uow: UnitOfWork) -> TileReader:
    """The tiles of the live ledger."""

    def fetch(level: int, number: int) -> list[bytes]:
        stored = store.stored_tile(uow.connection, level, number)
        if stored is None:
            return store.tile_hashes(uow.connection, level, number, TILE_WIDTH)
        return [stored[at : at + 32] for at in range(0, len(stored), 32)]

    return TileReader(fetch)


def _size(uow: UnitOfWork, size: int | None) -> int:
    now = store.read_head(uow.connection).size
    if size is None:
        return now
    if not 0 <= size <= now:
        raise Invalid(f"the ledger has {now} entries, not {size}", expected=f"a size from 0 to {now}")
    return size


def inclusion_proof(uow: UnitOfWork, index: int, size: int | None = None) -> InclusionProof:
    """That entry `index` is among the first `size` (all, when left out). Raises NotFound, Invalid."""
    size = _size(uow, size)
    if not 0 <= index < size:
        raise NotFound(f"there is no entry {index} among the first {size}")
    found = list(store.all_records(uow.connection, index, index + 1))
    if not found:
        raise NotFound(f"entry {index} is missing from the ledger", todo="Run `clearway audit verify`.")
    raw, tiles = entry_bytes(found[0][0]), reader(uow)
    path = inclusion_path(index, size, tiles.range_hash)
    root = tiles.range_hash(0, size)
    hexed = tuple(step.hex() for step in path)
    return InclusionProof(index, size, raw.decode(), leaf_hash(raw).hex(), hexed, root.hex())


def consistency_proof(uow: UnitOfWork, old: int, new: int | None = None) -> ConsistencyProof:
    """That the first `new` entries (all, when left out) begin with the first `old`. Raises Invalid."""
    new = _size(uow, new)
    if not 0 <= old <= new:
        raise Invalid(f"a log of {new} entries does not extend one of {old}", expected=f"0 to {new}")
    tiles = reader(uow)
    path = consistency_path(old, new, tiles.range_hash)
    hexed = tuple(step.hex() for step in path)
    return ConsistencyProof(old, new, tiles.range_hash(0, old).hex(), tiles.range_hash(0, new).hex(), hexed)
