"""Signs evidence with a key from a file, in this process: for tools and tests without a supervisor.

Rules:
1. The file is made once, with mode 600, complete or not at all; several processes make one key.
2. A key that others may read is refused: what it signed could be anybody's word.
3. Old keys stay beside it as `*.pub`, so that what they signed still verifies.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from clearway.artifacts import key_id, read_public_keys
from clearway.kernel import Permanent

from .serve import Unusable, open_key


class FileSigner:
    """Fulfils artifacts' Signer port. The key is made when it is first needed."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self.path = path

    def sign(self, content: bytes) -> tuple[str, bytes]:
        """See Signer.sign. Raises Permanent when the file is unusable."""
        return key_id(self._key.public_key()), self._key.sign(content)

    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        """See Signer.public_keys."""
        public = self._key.public_key()
        found = {key_id(public): public}
        for old in sorted(self.path.parent.glob(f"{self.path.stem}*.pub")):
            found |= read_public_keys(old.read_bytes())
        return found

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        try:
            return open_key(self.path)
        except Unusable as error:
            todo = "If nobody did: chmod 600. Otherwise remove it, and a new one is made."
            raise Permanent(
                str(error), where=str(self.path), todo=todo if "others may" in str(error) else None
            ) from error
