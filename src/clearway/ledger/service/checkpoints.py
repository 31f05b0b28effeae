"""Signed tree heads."""

from __future__ import annotations

from clearway.kernel import Permanent
from clearway.ledger import store
from clearway.ledger.model import Checkpoint
from clearway.ledger.note import TreeHead, format_head
from clearway.ledger.signer import NoteSigner
from clearway.storage import Database, UnitOfWork

from .proofs import reader


def checkpoint(uow: UnitOfWork) -> Checkpoint:
    """The signed head of the log as it is; a writing transaction also stores it.

    A head is signed only if it extends the last one that was signed and stored. Raises Permanent when the
    ledger was damaged: then `verify_live` says where.
    """
    signer = uow.tool(NoteSigner)
    edge = (store.lock_head if uow.writable else store.read_head)(uow.connection)
    last = store.latest_checkpoint(uow.connection)
    _refuse_to_contradict(uow, edge.size, edge.root(), last)
    if last is not None and last.size == edge.size and last.origin == signer.name:
        return last
    head = TreeHead(signer.name, edge.size, edge.root())
    made = Checkpoint(head.origin, head.size, head.root.hex(), signer.sign(format_head(head)), uow.now())
    if uow.writable and (last is None or last.size < made.size):
        store.save_checkpoint(uow.connection, made)
    return made


def _refuse_to_contradict(uow: UnitOfWork, size: int, root: bytes, last: Checkpoint | None) -> None:
    tiles = reader(uow)
    try:
        whole = tiles.range_hash(0, size) == root
        extends = last is None or (last.size <= size and tiles.range_hash(0, last.size).hex() == last.root)
    except LookupError:
        whole = extends = False
    if not (whole and extends):
        signed = f" of {last.size} entries that were signed" if last is not None and not extends else ""
        raise Permanent(
            f"the ledger was damaged: its hashes no longer give the root{signed}; it is not signed",
            todo="Run `clearway audit verify` to see which entries; restore them from a backup.",
        )


def latest_checkpoint(uow: UnitOfWork) -> Checkpoint | None:
    """The last one that was stored."""
    return store.latest_checkpoint(uow.connection)


def verifier_key(uow: UnitOfWork) -> str:
    """The key that checkpoints are verified with, to be handed to auditors: `<name>+<id>+<base64>`."""
    return uow.tool(NoteSigner).verifier_key


def sign_if_grown(database: Database) -> None:
    """A chore: stores a checkpoint when entries were added since the last one."""
    with database.read() as uow:
        last = store.latest_checkpoint(uow.connection)
        grown = store.read_head(uow.connection).size > (last.size if last else 0)
    if grown:
        with database.begin() as uow:
            checkpoint(uow)
