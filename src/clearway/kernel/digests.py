"""Digests and canonical bytes: the same value has the same digest everywhere."""

from __future__ import annotations

import hashlib
import re
from typing import Any

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def sha256(data: bytes) -> str:
    """The digest of bytes, as `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether the text is a well-formed `sha256:<hex>` digest."""
    return bool(_DIGEST.match(text))


def canonical(value: Any) -> bytes:
    """A JSON value as RFC 8785 bytes. Raises rfc8785.CanonicalizationError on what JSON cannot hold."""
    import rfc8785

    return rfc8785.dumps(value)


def digest_of(value: Any) -> str:
    """The digest of a JSON value's canonical bytes."""
    return sha256(canonical(value))
