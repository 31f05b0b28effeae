"""Hashing of passwords and secrets. Pure but for random salts."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from functools import cache

from clearway.kernel import Invalid

__all__ = ["check_password", "check_rules", "hash_password", "hash_secret", "same", "waste_time"]

# About 50 ms and 16 MiB for each try (measured on 2 cores at 2.x GHz); stored with each hash, so it can grow.
_COST, _BLOCK, _LANES = 2**14, 8, 1
SHORTEST, LONGEST = 12, 1024


def check_rules(password: str, name: str) -> None:
    """Refuses a password that is too short, too long, or hardly one. Raises Invalid."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(
            f"a password of {len(password)} characters", expected=f"{SHORTEST} to {LONGEST} characters"
        )
    if len(set(password)) < 5 or name.lower() in (password.lower(), password.lower()[::-1]):
        raise Invalid("the password is too easy to guess", expected="several words, or random characters")


def _derive(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    raw = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(raw, salt=salt, n=cost, r=block, p=lanes, maxmem=256 * cost * block)


def hash_password(password: str) -> str:
    """`scrypt$n$r$p$salt$hash`."""
    salt = secrets.token_bytes(16)
    derived = _derive(password, salt, _COST, _BLOCK, _LANES)
    return "$".join(
        [
            "scrypt",
            str(_COST),
            str(_BLOCK),
            str(_LANES),
            b64encode(salt).decode(),
            b64encode(derived).decode(),
        ]
    )


def check_password(password: str, hashed: str) -> bool:
    """Whether the password gives the hash; compared in constant time."""
    _, cost, block, lanes, salt, derived = hashed.split("$")
    found = _derive(password, b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, b64decode(derived))


@cache
def _nobody() -> str:
    return hash_password(secrets.token_urlsafe())


def waste_time(password: str) -> None:
    """Takes as long as checking a real password, so that unknown names can't be told by the clock."""
    check_password(password, _nobody())


def hash_secret(secret: str) -> str:
    """SHA-256 in hex: enough for 256 random bits, which nobody can guess their way through."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
