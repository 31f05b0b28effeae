"""What artifacts need from outside: somebody who signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from clearway.kernel import Retry

from .model import key_id


class Signer(Protocol):
    """Holds a private key. Which builds can reach it is a matter of their sandbox and of its `kind`."""

    @property
    def kind(self) -> str:
        """Where the key is: "process", "process of its own user", "file" (in this process) or "memory"."""

    def sign(self, content: bytes) -> tuple[str, bytes]:
        """The key's id and its Ed25519 signature of a statement in DSSE's pre-authentication encoding.

        A signer may refuse to sign anything else. Raises Retry while the key is away.
        """

    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        """Every key whose signatures count, by id: the present one and those before it."""


class MemorySigner:
    """The fake: a key that dies with the process; `away` makes it fail as a remote signer does."""

    kind = "memory"

    def __init__(self, seed: bytes = b"\1" * 32) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.away = False

    def sign(self, content: bytes) -> tuple[str, bytes]:
        """See Signer.sign."""
        if self.away:
            raise Retry("the signer does not answer")
        return key_id(self._key.public_key()), self._key.sign(content)

    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        """See Signer.public_keys."""
        public = self._key.public_key()
        return {key_id(public): public}
