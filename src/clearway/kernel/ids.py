"""Ids: a prefix that says what it is, then a Crockford base-32 ULID, so that ids sort by time of making."""

from __future__ import annotations

import secrets
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """A new id such as `prm_01jd3y7q0m3p8x2k9c6v5b4n1a`; later ids of one process always sort later."""
    global _last
    # The time only orders ids for index locality; no decision reads it.
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    with _lock:
        value = max(value, _last + 1)
        _last = value
    digits = [_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"
