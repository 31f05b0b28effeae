"""Asks the signer process.

Rules:
1. The one at the other end was started by our user, by the kernel's word; nobody else's answer counts.
2. A signer that is away is waited for: its supervisor starts it again, and the same words give the same
   signature, so that asking again after any loss is safe.
3. Public keys are files beside the key: verifying needs no signer.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import pwd
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clearway.artifacts import read_public_keys
from clearway.kernel import Permanent, Retry

from .serve import MOST, Caller, reachable

WAIT_S = 30.0
_LOOK_S = 0.05
_CALL_S = 30.0
_NEVER = -1


class ProcessSigner:
    """Fulfils artifacts' Signer port through a socket."""

    def __init__(self, address: Path, key: Path, user: str = "", wait_s: float = WAIT_S) -> None:
        self.address = address
        self.key = key  # never opened here: its public half lies beside it
        self.user = user
        self.wait_s = wait_s
        self._seen: tuple[int, Mapping[str, Ed25519PublicKey]] = (_NEVER, {})

    @property
    def kind(self) -> str:
        """See Signer.kind."""
        own = self.user and _uid(self.user) != os.geteuid()
        return "process of its own user" if own else "process"

    def sign(self, content: bytes) -> tuple[str, bytes]:
        """See Signer.sign. Raises Permanent when the signer refuses."""
        if len(content) > MOST:
            raise Permanent(f"a statement of {len(content)} bytes", expected=f"at most {MOST}")
        keyid, signature = self._ask(b"sign %d\n%b" % (len(content), content)).split()
        name = keyid.decode(errors="replace")
        public = self.public_keys().get(name)
        try:
            made = base64.b64decode(signature, validate=True)
            if public is None:
                raise Permanent("the signer's key is not among the public keys", where=str(self.key.parent))
            public.verify(made, content)
        except (binascii.Error, InvalidSignature) as error:
            raise Permanent("the signer's signature does not verify") from error
        return name, made

    def who(self) -> dict[str, Any]:
        """What the signer says of itself: its key, process and user. Raises Retry while it is away."""
        found: dict[str, Any] = json.loads(self._ask(b"who\n"))
        return found

    def public_keys(self) -> Mapping[str, Ed25519PublicKey]:
        """See Signer.public_keys. Raises Retry before the first start of the signer."""
        folder = self.key.parent
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        if changed != self._seen[0]:
            found: dict[str, Ed25519PublicKey] = {}
            for path in sorted(folder.glob(f"{self.key.stem}*.pub")):
                found |= read_public_keys(path.read_bytes())
            self._seen = (changed, found)
        if not self._seen[1]:
            raise Retry("the signer has made no key yet", todo="Start it: `clearway up` does.")
        return self._seen[1]

    def _ask(self, words: bytes) -> bytes:
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                return self._asked(words)
            except (OSError, EOFError) as error:
                if time.monotonic() > deadline:
                    raise Retry(
                        "the signer does not answer", todo="See logs/signer.log in the home folder."
                    ) from error
            time.sleep(_LOOK_S)

    def _asked(self, words: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection, reachable(self.address) as address:
            connection.settimeout(_CALL_S)
            connection.connect(address)
            self._must_be_ours(connection)
            with suppress(BrokenPipeError):  # it refused before it had heard all: it says why
                connection.sendall(words)
            with connection.makefile("rb") as stream:
                answer = stream.readline(4096)
        if not answer.endswith(b"\n"):
            raise EOFError
        kind, _, said = answer.strip().partition(b" ")
        if kind != b"ok":
            raise Permanent(f"the signer refuses: {said.decode(errors='replace')}")
        return said

    def _must_be_ours(self, connection: socket.socket) -> None:
        # Of the moment when it began to listen, which is before it became its own user.
        if Caller.of(connection).uid != os.geteuid():
            raise Permanent("somebody else listens where the signer should", where=str(self.address))


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise Permanent(f"there is no user {name} on this machine") from error
