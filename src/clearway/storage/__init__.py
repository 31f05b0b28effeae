"""Transactions, blobs and pages: where everything is kept."""

from .blobs import Blobs, FileBlobs, read_chunks
from .database import Bus, Database, UnitOfWork
from .intake import Blob, Intake
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
    "Intake",
    "Json",
    "Page",
    "Pulse",
    "UnitOfWork",
    "decode_cursor",
    "encode_cursor",
    "metadata",
    "read_chunks",
]
