"""Keyset pages: stable while rows are added, and as fast on the last page as on the first."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from clearway.kernel import Invalid

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items, and where the next page starts (None: this was the last one)."""

    items: Sequence[T]
    next_cursor: str | None = None


def encode_cursor(key: str | int) -> str:
    """The opaque text of a key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str | int:
    """The key of an opaque text. Raises Invalid when it is not one of ours."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        key = None
    too_large = isinstance(key, int) and not -(2**63) <= key < 2**63
    if isinstance(key, bool) or not isinstance(key, str | int) or too_large:
        raise Invalid("the cursor is not one that a page gave", todo="Start again without a cursor.")
    return key
