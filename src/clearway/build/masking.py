"""Takes secrets out of what a step prints, also when they come encoded, cut, or spread over lines. Pure.

What is masked: the value and each of its lines, as they are and in base64 (each of the three ways it can lie
in a longer text), base32, hexadecimal, URL and JSON form; with white space anywhere between the characters.
What cannot be: a secret that a program turns into something else. Who may change what a step runs can have
what the step has; see `secrets`, rule 1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

MASK = b"[masked]"
LEAST = 4  # bytes: a shorter piece is found in everything
MOST = 4096  # bytes of a form that are looked for; the start of a longer one is enough
_SPACE = re.compile(rb"\s+")


def forms(values: Iterable[bytes]) -> list[bytes]:
    """Everything that gives a secret away, the longest first."""
    found = {form[:MOST] for value in values for part in _parts(value) for form in _forms(part)}
    return sorted((form for form in found if len(form) >= LEAST), key=lambda form: (-len(form), form))


def _parts(value: bytes) -> Iterator[bytes]:
    yield value
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= 8)


def _forms(part: bytes) -> Iterator[bytes]:
    yield _SPACE.sub(b"", part)
    text = part.decode(errors="replace")
    yield quote(text, safe="").encode()
    yield _SPACE.sub(b"", json.dumps(text)[1:-1].encode())
    yield part.hex().encode()
    yield part.hex().upper().encode()
    yield base64.b32encode(part).rstrip(b"=")
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + part)
        # The characters at both ends depend on what stands beside the secret.
        start = -(-shift * 8 // 6)
        end = (shift + len(part)) * 8 // 6
        yield whole[start:end]
        yield whole[start:end].translate(bytes.maketrans(b"+/", b"-_"))


class Masked:
    """A writer in front of another one. Holds back what may be the beginning of a secret."""

    def __init__(self, values: Iterable[bytes], write: Callable[[bytes], None]) -> None:
        self._write = write
        self._forms = forms(values)
        self._rest = b""
        spread = (rb"\s*".join(re.escape(bytes([each])) for each in form) for form in self._forms)
        self._pattern = re.compile(b"|".join(spread)) if self._forms else None

    def write(self, data: bytes) -> None:
        """Some output, cut anywhere."""
        if self._pattern is None:
            self._write(data)
            return
        text = self._pattern.sub(MASK, self._rest + data)
        held = self._held(text)
        ready, self._rest = text[: len(text) - held], text[len(text) - held :]
        if ready:
            self._write(ready)

    def end(self) -> None:
        """The output is over: what was held back is no secret."""
        rest, self._rest = self._rest, b""
        if rest:
            self._write(rest)

    def _held(self, text: bytes) -> int:
        """How many bytes at the end may begin a secret, white space apart."""
        longest = len(self._forms[0])
        # Every second byte at most may be white space that a program put in between.
        tail = text[-4 * longest :]
        places = [at for at, each in enumerate(tail) if each not in b" \t\r\n\v\f"]
        packed = bytes(tail[at] for at in places)
        for start in range(max(0, len(packed) - longest + 1), len(packed)):
            piece = packed[start:]
            if any(form.startswith(piece) for form in self._forms):
                return len(tail) - places[start]
        return 0


def gives_away(values: Iterable[bytes], pieces: Iterable[bytes]) -> bool:
    """Whether a text, which comes in pieces, holds a secret in any of the forms that are masked."""
    before, after = hashlib.sha256(), hashlib.sha256()
    masked = Masked(values, after.update)
    for piece in pieces:
        before.update(piece)
        masked.write(piece)
    masked.end()
    return before.digest() != after.digest()
