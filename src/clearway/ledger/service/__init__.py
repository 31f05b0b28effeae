"""The ledger's verbs."""

from .write import append, entries

__all__ = ["append", "entries"]
