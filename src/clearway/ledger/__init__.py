"""The tamper-evident log of every fact."""

from .model import Entry
from .service import append, entries

__all__ = ["Entry", "append", "entries"]
