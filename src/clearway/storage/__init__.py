"""Transactions, blobs and pages: where everything is kept."""

from .blobs import Blob, Blobs, FileBlobs, read_chunks
from .database import Bus, Database, UnitOfWork
from .pages import Page, decode_cursor, encode_cursor
from .pulse import Pulse
from .types import Instant, Json, metadata

__all__ = [
    "Blob",
    "Blobs",
    "Bus",
    "Database",
    "FileBlobs",
    "Instant",
    "Json",
    "Page",
    "Pulse",
    "UnitOfWork",
    "decode_cursor",
    "encode_cursor",
    "metadata",
    "read_chunks",
]
