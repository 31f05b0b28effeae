"""What keeps the credentials of repositories unreadable at rest."""

from __future__ import annotations

from typing import Protocol


class Cipher(Protocol):
    """Encrypts small values. The key never passes through here."""

    def encrypt(self, plain: bytes) -> bytes:
        """Bytes that tell nothing of `plain` but its length; the same value twice gives different bytes."""
        ...

    def decrypt(self, sealed: bytes) -> bytes:
        """What was encrypted. Raises Permanent when it was changed, or sealed for another key."""
        ...
