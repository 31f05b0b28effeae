"""What checking other CI's tokens needs from outside: the issuers' public keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from clearway.kernel import Retry


class Issuers(Protocol):
    """Finds the keys that issuers publish."""

    def key(self, issuer: str, key_id: str) -> Mapping[str, Any] | None:
        """The JWK that the issuer publishes under this id now; None when it publishes none.

        Asks a declared issuer only, and not again for each unknown id. Raises Retry while it is away.
        """


class FakeIssuers:
    """The fake: keys by issuer and id; `away` makes it fail as a network does."""

    def __init__(self, keys: Mapping[tuple[str, str], Mapping[str, Any]] | None = None) -> None:
        self.keys = dict(keys or {})
        self.away = False
        self.asked: list[tuple[str, str]] = []

    def key(self, issuer: str, key_id: str) -> Mapping[str, Any] | None:
        """See Issuers.key."""
        self.asked.append((issuer, key_id))
        if self.away:
            raise Retry(f"{issuer} cannot be reached")
        return self.keys.get((issuer, key_id))
