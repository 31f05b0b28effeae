"""What keeps secrets unreadable at rest, and what knows which keys are secret."""

from __future__ import annotations

import secrets
from typing import Protocol

from clearway.kernel import Permanent
from clearway.storage import UnitOfWork


class Cipher(Protocol):
    """Encrypts small values. The key never passes through here."""

    def encrypt(self, plain: bytes) -> bytes:
        """Bytes that tell nothing of `plain` but its length; the same value twice gives different bytes."""
        ...

    def decrypt(self, sealed: bytes) -> bytes:
        """What was encrypted. Raises Permanent when it was changed, or sealed for another key."""
        ...


class Schemas(Protocol):
    """Knows what the services' newest releases say about their configuration."""

    def secret_in(self, uow: UnitOfWork, service: str | None, key: str) -> str | None:
        """A service whose newest release calls the key a secret: the named one, or any. None: none does."""
        ...


class FakeCipher:
    """A Cipher for tests that keeps values in memory and hands out tickets for them."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def encrypt(self, plain: bytes) -> bytes:
        """A ticket."""
        ticket = secrets.token_bytes(16)
        self._kept[ticket] = plain
        return ticket

    def decrypt(self, sealed: bytes) -> bytes:
        """The value behind a ticket."""
        if sealed not in self._kept:
            raise Permanent("the secret cannot be read", todo="Set it again.")
        return self._kept[sealed]
