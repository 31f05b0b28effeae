"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) with Ed25519. Pure.

A checkpoint is a note of three lines: the log's name (origin), its size, its root in base64. The signature
line names the key; a verifier knows the key as text, the *verifier key*: `<name>+<key id>+<base64>`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = ["NoteError", "TreeHead", "VerifierKey", "format_head", "open_note", "parse_head", "sign_note"]

_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_MOST_SIGNATURES = 100


class NoteError(ValueError):
    """The note is malformed, or no known key signed it."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key with the name it signs under."""

    name: str  # of the log, without spaces and plus signs
    public: bytes  # 32 bytes, Ed25519

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell which key made a signature; not a fingerprint to trust."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Reads `<name>+<key id>+<base64>`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _base64(encoded, "the verifier key")
        if not _NAME.fullmatch(name) or len(raw) != 33 or raw[:1] != _ED25519:
            raise NoteError("a verifier key reads <name>+<key id>+<base64 of 0x01 and an Ed25519 public key>")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(
                f"the verifier key of {name} says id {key_id}, but its bytes give {key.key_id.hex()}"
            )
        return key


@dataclass(frozen=True)
class TreeHead:
    """What a checkpoint says."""

    origin: str  # the log's name
    size: int  # entries
    root: bytes  # Merkle tree hash at that size


def _base64(text: str, what: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if b64encode(raw).decode() != text:  # one text for one value: no bit of a note is free to change
        raise NoteError(f"{what} is not base64")
    return raw


def sign_note(text: str, name: str, public: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The note: the text, an empty line, one signature line."""
    if not text.endswith("\n") or any(ord(letter) < 0x20 and letter != "\n" for letter in text):
        raise NoteError("the text of a note ends with a newline and has no control characters")
    key = VerifierKey(name, public)
    if not _NAME.fullmatch(name):
        raise NoteError(f"{name!r} cannot name a key: no spaces, no plus sign")
    return f"{text}\n{_DASH}{name} {b64encode(key.key_id + sign(text.encode())).decode()}\n"


def open_note(note: str, key: VerifierKey) -> str:
    """The text of a note that `key` signed; raises NoteError otherwise. Other keys' lines are passed over."""
    text, gap, tail = note.rpartition("\n\n")
    if not gap or not tail.endswith("\n") or any(ord(letter) < 0x20 and letter != "\n" for letter in note):
        raise NoteError("this is no signed note: text, an empty line, signature lines")
    text += "\n"
    lines = tail[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise NoteError(f"the note has more than {_MOST_SIGNATURES} signatures")
    signed = False
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not _NAME.fullmatch(name):
            raise NoteError(f"not a signature line: {line!r}")
        raw = _base64(encoded, f"the signature of {name}")
        if name != key.name or raw[:4] != key.key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        except InvalidSignature as error:
            raise NoteError(f"the signature of {name} does not fit the text: forged or altered") from error
        signed = True
    if not signed:
        raise NoteError(f"not signed by {key.name}+{key.key_id.hex()}")
    return text


def format_head(head: TreeHead) -> str:
    """The text of a checkpoint."""
    return f"{head.origin}\n{head.size}\n{b64encode(head.root).decode()}\n"


def parse_head(text: str) -> TreeHead:
    """Reads the text of a checkpoint; extension lines are allowed and ignored."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]) or not _SIZE.fullmatch(lines[1]):
        raise NoteError("a checkpoint has three lines: origin, size, root")
    root = _base64(lines[2], "the root")
    if len(root) != 32:
        raise NoteError(f"the root has {len(root)} bytes, not 32")
    return TreeHead(lines[0], int(lines[1]), root)
