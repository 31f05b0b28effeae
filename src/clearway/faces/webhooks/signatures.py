"""Whether a delivery comes from somebody who knows a secret. Pure.

Rules:
1. Every secret that is valid is tried, and each comparison takes as long whether it fails early or late.
2. No secret, no header, a header twice or of another form: no.
3. A secret that begins with `whsec_` is a signing key (Standard Webhooks): its bytes are what follows, in
   base 64. Where a forge knows both, it is never taken as a token: leaving a signature out helps nobody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

__all__ = ["TOLERANCE_S", "basic", "hex_hmac", "is_key", "password", "standard"]

TOLERANCE_S = 300
MOST_SIGNATURES = 10
_KEY = b"whsec_"
_SECONDS = re.compile(r"[0-9]{1,12}\Z")


def is_key(secret: bytes) -> bool:
    """Whether the secret is a signing key, and no token."""
    return secret.startswith(_KEY)


def _same(ours: bytes, theirs: bytes) -> bool:
    return hmac.compare_digest(ours, theirs)


def _any(found: Sequence[bool]) -> bool:
    return any(found)  # of a whole list: all comparisons are done by now


def hex_hmac(told: str, body: bytes, secrets: Sequence[bytes], prefix: str = "") -> bool:
    """HMAC-SHA256 of the body, in hexadecimal digits behind a prefix."""
    theirs = told.strip().encode("latin-1", "replace")
    return _any(
        [
            _same(prefix.encode() + hmac.digest(secret, body, "sha256").hex().encode(), theirs)
            for secret in secrets
            if secret
        ]
    )


def password(told: str, secrets: Sequence[bytes]) -> bool:
    """The secret itself. Both sides are hashed first: a comparison must not tell its length either."""
    theirs = hashlib.sha256(told.encode("latin-1", "replace")).digest()
    return _any([_same(hashlib.sha256(secret).digest(), theirs) for secret in secrets if secret])


def basic(authorization: str, secrets: Sequence[bytes]) -> bool:
    """HTTP basic authentication, any name, the secret as its password."""
    scheme, _, told = authorization.strip().partition(" ")
    try:
        plain = base64.b64decode(told.strip(), validate=True)
    except (binascii.Error, ValueError):
        plain = b""
    _, colon, given = plain.partition(b":")
    usable = scheme.lower() == "basic" and bool(colon) and bool(given)
    return password(given.decode("latin-1"), secrets) and usable


def standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], now: datetime) -> bool:
    """Standard Webhooks: `v1,` and HMAC-SHA256 of id, timestamp and body in base 64, within five minutes."""
    told = {name: headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
    fresh = bool(_SECONDS.match(told["timestamp"]))
    fresh = fresh and abs(now.timestamp() - int(told["timestamp"])) <= TOLERANCE_S
    sent = {name: text.encode("latin-1", "replace") for name, text in told.items()}
    signed = b".".join((sent["id"], sent["timestamp"], body))
    found = []
    for secret in filter(None, secrets):
        ours = b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256"))
        found += [_same(ours, theirs) for theirs in sent["signature"].split(b" ")[:MOST_SIGNATURES]]
    return _any(found) and fresh and bool(sent["id"])


def _key(secret: bytes) -> bytes:
    """The bytes of a key, or of any other secret."""
    if not is_key(secret):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(_KEY), validate=True) or secret
    except (binascii.Error, ValueError):
        return secret
