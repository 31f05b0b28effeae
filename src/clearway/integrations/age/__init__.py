"""Keeps secrets with age (X25519): one identity file in Clearway's home, readable by its owner only."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pyrage

from clearway.kernel import Permanent


class AgeCipher:
    """The `Cipher` of production. The file is an age identity, so `age -d -i` opens what it sealed."""

    def __init__(self, identity_file: Path) -> None:
        self._identity = _load(identity_file)
        self._recipient = self._identity.to_public()

    @classmethod
    def create(cls, identity_file: Path) -> AgeCipher:
        """The cipher of a file that is made, for its owner's eyes only, when it is not there."""
        if not identity_file.exists():
            identity = pyrage.x25519.Identity.generate()
            text = f"# public key: {identity.to_public()}\n{identity}\n"
            identity_file.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=identity_file.parent, prefix=".identity-")  # mode 0600
            part = Path(name)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, identity_file)  # two that start at once agree on the first one's key
            except FileExistsError:
                pass
            finally:
                part.unlink()
        return cls(identity_file)

    def encrypt(self, plain: bytes) -> bytes:
        """Sealed for the identity's public key."""
        return bytes(pyrage.encrypt(plain, [self._recipient]))

    def decrypt(self, sealed: bytes) -> bytes:
        """Opened with the identity."""
        try:
            return bytes(pyrage.decrypt(sealed, [self._identity]))
        except pyrage.DecryptError as error:
            raise Permanent(
                f"the secret cannot be read: {error}",
                todo="Restore the identity file that sealed it, or set the secret again.",
            ) from None


def _load(path: Path) -> pyrage.x25519.Identity:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(
            f"the key file {path} cannot be read: {error}", todo="Restore it from a backup."
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Permanent(f"others can read the key file {path}", todo=f"Run: chmod 600 {path}")
    keys = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        return pyrage.x25519.Identity.from_str(keys[0])
    except (IndexError, pyrage.IdentityError):
        raise Permanent(f"{path} holds no age identity", todo="Restore it from a backup.") from None
