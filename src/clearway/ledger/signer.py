"""The key that signs checkpoints: an Ed25519 private key in a file that only its owner reads."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from clearway.kernel import Permanent

from .note import VerifierKey, sign_note

__all__ = ["NoteSigner", "load_or_create_key"]

ORIGIN = "clearway.local/ledger"


class NoteSigner:
    """Signs checkpoints under the log's name. Wiring binds one as a tool."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.name = name
        self._private = private
        self._public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def verifier_key(self) -> str:
        """The public key as verifiers take it: `<name>+<id>+<base64>`."""
        return str(VerifierKey(self.name, self._public))

    def sign(self, text: str) -> str:
        """The signed note around a text."""
        return sign_note(text, self.name, self._public, self._private.sign)


def load_or_create_key(path: Path, name: str = ORIGIN) -> NoteSigner:
    """The key in the file; a missing file is made, for its owner's eyes only. Raises Permanent.

    Two processes that start together end up with one key: the file appears whole, once.
    """
    if not path.exists():
        _create(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Permanent(
            f"others may read the ledger's key {path}, so its signatures prove nothing",
            todo=f"If nobody did: chmod 600 {path}. Else move it away; a new one is made.",
        )
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise Permanent(f"{path} holds no private key", todo="Restore it from a backup.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Permanent(f"{path} holds another kind of key", todo="It must be an Ed25519 key.")
    return NoteSigner(name, private)


def _create(path: Path) -> None:
    raw = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(raw)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, path)  # fails when another process was first: then theirs counts
        except FileExistsError:
            return
    finally:
        draft.unlink()
