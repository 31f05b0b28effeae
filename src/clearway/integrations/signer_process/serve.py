"""The signer: a small process that alone holds the key, and signs statements for Clearway over a socket.

Run alone, by path, with the standard library and `cryptography` and nothing of Clearway's:
`serve.py --key FILE --socket PATH --log FILE [--user NAME]`.

Rules:
1. It signs only what a verifier would accept as an in-toto v1 statement: no other bytes, whoever asks.
2. Only the user who started it is heard, by the kernel's word (SO_PEERCRED); a caller that is seen to live in
   other namespaces is a job in a sandbox, and is not heard.
3. A signature leaves only after its line is in the log, synced: there is none that the log does not know.
4. It keeps nothing else: killed at any moment and started again, it gives the same signatures.

Asked `sign LENGTH`, a line, and the bytes, it answers `ok KEYID SIGNATURE`; asked `who`, what it is, as JSON;
`no REASON` is every other answer.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import fcntl
import hashlib
import json
import os
import pwd
import resource
import signal
import socket
import stat
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PAYLOAD_TYPE = b"application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MOST = 16 << 20  # bytes of a statement
CALLERS = 16  # at once; others wait
PATIENCE_S = 20.0  # for a caller in the middle of its words
_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 2, 4
_ADDRESS_BYTES = 100  # a socket's path may have few more


class Unusable(Exception):
    """The key, or its place, cannot be used."""


class Refused(Exception):
    """Not something that is signed here, or not somebody for whom."""


def open_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file of mode 600, made when there is none. Raises Unusable."""
    if not path.exists():
        _make_key(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Unusable(f"others may read the signing key (mode {mode:o})")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unusable("the signing key cannot be read") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Unusable("the signing key is of another kind than Ed25519")
    return key


def _make_key(path: Path) -> None:
    """Complete or not at all; of several processes one makes it."""
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    place(path, text)


def place(path: Path, content: bytes) -> None:
    """A new file of mode 600 with this content, synced; what is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # made with mode 600
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        with suppress(FileExistsError):  # another process was first; its file is the file
            os.link(name, path)
    finally:
        os.unlink(name)


def name_of(public: Ed25519PublicKey) -> str:
    """The key's id: SHA-256 of its SubjectPublicKeyInfo."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def publish(path: Path, public: Ed25519PublicKey) -> None:
    """The public half beside the key, by its id: it stays when the key is replaced."""
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    place(path.with_name(f"{path.stem}-{name_of(public)[:16]}.pub"), pem)


def read_statement(signed: bytes) -> dict[str, Any]:
    """The in-toto v1 statement inside DSSE's pre-authentication encoding. Raises Refused."""
    head = b"DSSEv1 %d %b " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE)
    length, space, payload = signed.removeprefix(head).partition(b" ")
    if not signed.startswith(head) or not space or length != b"%d" % len(payload):
        raise Refused("this is no DSSE encoding of an in-toto statement")
    try:
        found = json.loads(payload.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the statement is no plain JSON: {error}") from None
    if not isinstance(found, dict) or found.get("_type") != STATEMENT_TYPE:
        raise Refused("this is no in-toto v1 statement")
    subjects = found.get("subject")
    if not isinstance(subjects, list) or not subjects or not all(_is_subject(each) for each in subjects):
        raise Refused("a statement names its subjects by SHA-256")
    kind = found.get("predicateType")
    if (
        not isinstance(kind, str)
        or not kind
        or len(kind) > 500
        or not isinstance(found.get("predicate"), dict)
    ):
        raise Refused("a statement has a predicate and its type")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")  # two readers could see two statements
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _is_subject(subject: object) -> bool:
    digest = subject.get("digest") if isinstance(subject, dict) else None
    text = digest.get("sha256") if isinstance(digest, dict) else None
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


@dataclass(frozen=True)
class Caller:
    """Who is at the other end, by the kernel's word."""

    pid: int
    uid: int

    @classmethod
    def of(cls, connection: socket.socket) -> Caller:
        """See SO_PEERCRED."""
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return cls(pid, uid)

    def apart(self) -> bool:
        """Whether it is seen to live in other namespaces than we do; where nothing is seen, no."""
        if self.pid == 0:
            return True  # in no namespace that we can look into
        for kind in ("user", "pid", "mnt"):
            with suppress(OSError):
                if os.readlink(f"/proc/{self.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
                    return True
        return False


class Signer:
    """The key, who may ask, and the log."""

    def __init__(self, key: Ed25519PrivateKey, heard: int, log: int) -> None:
        self.key = key
        self.keyid = name_of(key.public_key())
        self.heard = heard
        self._log = log
        self._turn = threading.Lock()

    def sign(self, signed: bytes, caller: Caller) -> bytes:
        """The signature, once its line is on the disk. Raises Refused, OSError."""
        said = read_statement(signed)
        signature = self.key.sign(signed)
        line = {
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "keyid": self.keyid,
            "pid": caller.pid,
            "predicateType": said["predicateType"],
            "statement": hashlib.sha256(signed).hexdigest(),
            "subjects": [each["digest"]["sha256"] for each in said["subject"][:20]],
            "more": max(0, len(said["subject"]) - 20),
        }
        with self._turn:
            os.write(self._log, json.dumps(line).encode() + b"\n")
            os.fdatasync(self._log)
        return signature

    def answer(self, connection: socket.socket) -> None:
        """Hear one caller until it has no more to ask."""
        connection.settimeout(PATIENCE_S)
        caller = Caller.of(connection)
        with connection, connection.makefile("rwb") as stream:
            while words := stream.readline(100).split():
                try:
                    stream.write(self._said(words, stream, caller))
                except (Refused, OSError, ValueError) as error:
                    stream.write(b"no " + str(error).replace("\n", " ")[:300].encode() + b"\n")
                    stream.flush()
                    return  # what follows could be the rest of what was refused
                stream.flush()

    def _said(self, words: list[bytes], stream: Any, caller: Caller) -> bytes:
        if caller.uid != self.heard or caller.apart():
            raise Refused("you are not heard here")
        if words == [b"who"]:
            about = {"keyid": self.keyid, "pid": os.getpid(), "uid": os.getuid(), "heard": self.heard}
            return b"ok " + json.dumps(about).encode() + b"\n"
        if len(words) != 2 or words[0] != b"sign" or not words[1].isdigit() or int(words[1]) > MOST:
            raise Refused("ask `sign LENGTH` or `who`")
        signed = stream.read(int(words[1]))
        if len(signed) != int(words[1]):
            raise Refused("the statement was cut off")
        return b"ok %b %b\n" % (self.keyid.encode(), base64.b64encode(self.sign(signed, caller)))


def listen(path: Path) -> socket.socket:
    """A socket in a folder that only its owner may enter. Waits for an older signer's end.

    Raises Unusable.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = path.parent.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
        raise Unusable(f"others may enter the folder of the socket ({path.parent})")
    held = os.open(path.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)  # until this process ends
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with reachable(path) as address:
        listener.bind(address)
    path.chmod(0o600)
    listener.listen(64)
    return listener


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """An address of the socket; a path that is too long for one goes through a descriptor of its folder."""
    if len(os.fsencode(path)) <= _ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def harden(user: str | None) -> None:
    """Nobody traces us, no core is written; with a user's name, become that user. Raises Unusable."""
    libc = ctypes.CDLL(None, use_errno=True)
    ends_with = ctypes.c_int(0)
    libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(ends_with), 0, 0, 0)
    if user is not None:
        try:
            about = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(about.pw_gid)
            os.setuid(about.pw_uid)
        except (KeyError, OSError) as error:
            raise Unusable(f"the signer cannot become the user {user}: {error}") from error
        # A change of user forgets with whom we were to end.
        libc.prctl(_PR_SET_PDEATHSIG, ends_with.value, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(key: Path, address: Path, log: Path, user: str | None) -> NoReturn:
    """Open everything, become nobody else's, and answer for ever. Raises Unusable, OSError."""
    os.umask(0o077)
    opened = open_key(key)
    publish(key, opened.public_key())
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    heard = os.geteuid()
    listener = listen(address)
    harden(user)
    signer = Signer(opened, heard, lines)
    free = threading.Semaphore(CALLERS)
    while True:
        connection, _ = listener.accept()
        free.acquire()
        threading.Thread(target=_hear, args=(signer, connection, free), daemon=True).start()


def _hear(signer: Signer, connection: socket.socket, free: threading.Semaphore) -> None:
    try:
        with suppress(OSError):
            signer.answer(connection)
    finally:
        free.release()


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser()
    for name in ("key", "socket", "log"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--user")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        serve(given.key, given.socket, given.log, given.user)
    except (Unusable, OSError) as error:
        print(f"clearway signer: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
