"""Signs evidence with a key from a file.

Rules:
1. The file is made once, with mode 600, complete or not at all; several processes make one key.
2. A key that others may read is refused: what it signed could be anybody's word.
3. Old keys stay beside it as `*.pub`, so that what they signed still verifies.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from clearway.artifacts import key_id, read_public_keys
from clearway.kernel import Permanent


class FileSigner:
    """Fulfils artifacts' Signer port. The key is made when it is first needed."""

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
        if not self.path.exists():
            self._make()
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077:
            raise Permanent(
                f"others may read the signing key (mode {mode:o})",
                where=str(self.path),
                todo="If nobody did: chmod 600. Otherwise remove it, and a new one is made.",
            )
        try:
            key = load_pem_private_key(self.path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Permanent("the signing key cannot be read", where=str(self.path)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Permanent("the signing key is of another kind than Ed25519", where=str(self.path))
        return key

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Ed25519PrivateKey.generate()
        text = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor, name = tempfile.mkstemp(dir=self.path.parent)  # made with mode 600
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            with suppress(FileExistsError):  # another process was first; its key is the key
                os.link(name, self.path)
        finally:
            os.unlink(name)
