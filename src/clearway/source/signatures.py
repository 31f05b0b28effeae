"""Who signed a commit: SSH signatures by the format's own rules, OpenPGP by gpg in a key ring of its own.

Rules:
1. Only a good signature by a declared key names somebody. Everything else has a word, and counts as none:
   a key that nobody declared, a broken signature, one that this machine cannot check.
2. What is in a signature is a stranger's: it is read with limits, and never reaches a command line.

The SSH format is OpenSSH's PROTOCOL.sshsig; git uses the namespace `git`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .repo import Repo

State = Literal["good", "unknown key", "bad", "unsigned", "cannot be checked"]

_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_NAMESPACE = b"git"
_HASHES = {b"sha256": "sha256", b"sha512": "sha512"}
_MOST_BYTES = 64 * 1024
_GPG_S = 20.0


@dataclass(frozen=True)
class Signature:
    """What a commit's signature is worth."""

    state: State
    by: str = ""  # the user whose key it is; empty unless it is good
    why: str = ""  # in words, unless it is good


UNSIGNED = Signature("unsigned", why="it is not signed")


class Keys:
    """The public keys of users, ready to be asked."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        """`keys` are pairs of a user's name and a public key, SSH or OpenPGP; others are left out."""
        self._ssh: dict[bytes, str] = {}
        self._openpgp: list[tuple[str, str]] = []
        for name, text in keys:
            if "PGP PUBLIC KEY" in text:
                self._openpgp.append((name, text))
            elif blob := _blob_of(text):
                self._ssh[blob] = name

    def check(self, signature: str, payload: bytes) -> Signature:
        """What a signature says about the bytes that were signed."""
        if len(signature) > _MOST_BYTES:
            return Signature("bad", why="the signature is too long to be one")
        if signature.lstrip().startswith(_BEGIN):
            return self._check_ssh(signature, payload)
        if "-----BEGIN PGP" in signature:
            return _check_openpgp(self._openpgp, signature, payload)
        return Signature("cannot be checked", why="the signature is of a kind that Clearway does not know")

    def _check_ssh(self, signature: str, payload: bytes) -> Signature:
        try:
            key, signed, kind, proof = _read_ssh(signature, payload)
        except ValueError as error:
            return Signature("bad", why=f"the signature cannot be read: {error}")
        by = self._ssh.get(key)
        if by is None:
            return Signature("unknown key", why=f"nobody declared the key {fingerprint(key)}")
        return _verify_ssh(by, key, kind, proof, signed)


def signatures(repo: Repo, shas: Sequence[str], keys: Keys) -> dict[str, Signature]:
    """What the signature of each commit is worth."""
    found = {}
    for sha in shas:
        signature, payload = repo.signature(sha)
        found[sha] = keys.check(signature, payload) if signature else UNSIGNED
    return found


def fingerprint(blob: bytes) -> str:
    """An SSH key's fingerprint, as ssh-keygen writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _blob_of(text: str) -> bytes | None:
    parts = text.split()
    try:
        return base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error, ValueError):
        return None


class _Reader:
    """Length-prefixed fields, never beyond the end."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, length: int) -> bytes:
        if length > len(self.raw) - self.at:
            raise ValueError("it ends too early")
        self.at += length
        return self.raw[self.at - length : self.at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def text(self) -> bytes:
        return self.take(self.number())


def _read_ssh(signature: str, payload: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The key, what was signed, the kind of the signature, and it. Raises ValueError."""
    body = signature.strip().removeprefix(_BEGIN)
    body, end, _ = body.partition(_END)
    if not end:
        raise ValueError("its end is missing")
    try:
        reader = _Reader(base64.b64decode("".join(body.split()), validate=True))
    except binascii.Error:
        raise ValueError("it is not base64") from None
    if reader.take(6) != b"SSHSIG" or reader.number() != 1:
        raise ValueError("it is no SSH signature of version 1")
    key, namespace, reserved, hashed = reader.text(), reader.text(), reader.text(), reader.text()
    if namespace != _NAMESPACE:
        raise ValueError("it was made for something else than git")
    if hashed not in _HASHES:
        raise ValueError("it uses an unknown hash")
    proof = _Reader(reader.text())
    digest = hashlib.new(_HASHES[hashed], payload).digest()
    fields = (_NAMESPACE, reserved, hashed, digest)
    signed = b"SSHSIG" + b"".join(len(each).to_bytes(4, "big") + each for each in fields)
    return key, signed, proof.text(), proof.text()


def _verify_ssh(by: str, key: bytes, kind: bytes, proof: bytes, signed: bytes) -> Signature:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    name = _Reader(key).text()
    try:
        public: Any = serialization.load_ssh_public_key(name + b" " + base64.b64encode(key))
        if isinstance(public, ed25519.Ed25519PublicKey) and kind == b"ssh-ed25519":
            public.verify(proof, signed)
        elif isinstance(public, rsa.RSAPublicKey) and kind in (b"rsa-sha2-256", b"rsa-sha2-512"):
            used = hashes.SHA256() if kind.endswith(b"256") else hashes.SHA512()
            public.verify(proof, signed, padding.PKCS1v15(), used)
        elif isinstance(public, ec.EllipticCurvePublicKey) and kind == name:
            reader = _Reader(proof)
            pair = [int.from_bytes(reader.text(), "big") for _ in range(2)]
            by_size = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
            public.verify(encode_dss_signature(*pair), signed, ec.ECDSA(by_size[public.key_size]))
        else:
            return Signature("cannot be checked", why="the kind of key or signature is unknown")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, KeyError):
        return Signature("bad", why=f"the signature is not what {by}'s key makes of this commit")
    return Signature("good", by)


def _check_openpgp(keys: Sequence[tuple[str, str]], signature: str, payload: bytes) -> Signature:
    """By gpg, in a home of its own that holds only the declared keys."""
    program = shutil.which("gpg")
    if program is None:
        return Signature("cannot be checked", why="gpg is not installed here")
    with tempfile.TemporaryDirectory(prefix="clearway-gpg-") as folder:
        home = Path(folder)
        home.chmod(0o700)
        (home / "signature").write_text(signature)
        owners: dict[str, str] = {}
        for name, text in keys:
            said = _gpg(program, home, ["--import"], text.encode())
            owners |= {line.split()[3]: name for line in said if line.startswith("[GNUPG:] IMPORT_OK ")}
        said = _gpg(program, home, ["--verify", str(home / "signature"), "-"], payload)
    return _read_status(said, owners)


def _gpg(program: str, home: Path, words: list[str], given: bytes) -> list[str]:
    options = ["--batch", "--no-tty", "--no-auto-key-retrieve", "--no-autostart", "--trust-model", "always"]
    try:
        done = subprocess.run(
            [program, "--homedir", str(home), *options, "--status-fd", "1", *words],
            input=given,
            capture_output=True,
            timeout=_GPG_S,
            check=False,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "GNUPGHOME": str(home)},
        )
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.decode(errors="replace").splitlines()


def _read_status(said: Sequence[str], owners: Mapping[str, str]) -> Signature:
    words = {line.split()[1]: line.split()[2:] for line in said if line.startswith("[GNUPG:] ")}
    if "VALIDSIG" in words and "GOODSIG" in words:
        mine = owners.get(words["VALIDSIG"][-1]) or owners.get(words["VALIDSIG"][0])
        return Signature("good", mine) if mine else Signature("unknown key", why="nobody declared its key")
    for status, why in (("EXPKEYSIG", "its key has expired"), ("REVKEYSIG", "its key was revoked")):
        if status in words:
            return Signature("bad", why=why)
    if "NO_PUBKEY" in words:
        return Signature("unknown key", why=f"nobody declared the key {words['NO_PUBKEY'][0][:40]}")
    if "BADSIG" in words:
        return Signature("bad", why="the signature is not of this commit")
    return Signature("cannot be checked", why="gpg gave no answer to it")
