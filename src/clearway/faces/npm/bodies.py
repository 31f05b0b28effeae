"""JSON that strangers send, with a tarball in it as base64: the tarball goes to the disk as it comes.

Rules:
1. The text around the tarball is bounded in size and depth before anything is built from it; the tarball is
   never whole in memory, neither as base64 nor decoded.
2. Base64 is strict: no other characters, padding only at the end, nothing after it.
3. One tarball in a request. No key twice, no `__proto__`, no half of a character, no NaN.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from clearway.faces.counter import PIECE, TooLarge, pieces
from clearway.kernel import Invalid

MOST_DEPTH = 100
MOST_KEY = 1000  # bytes of a key near the top
_STRUCTURE = re.compile(rb'["{}\[\],]')
_IN_TEXT = re.compile(rb'["\\]')
_PATH = 3  # how deep the tarball's text is: _attachments, its name, data


class Splitter:
    """Tells the text of a body from the base64 of its attachment, piece by piece."""

    def __init__(self, sink: Callable[[bytes], object], *, most: int) -> None:
        self.text = bytearray()
        self.attachments = 0
        self._sink, self._most = sink, most
        self._step = self._structure
        self._open: list[bool] = []  # for each level whether it is an object
        self._keys: list[str] = []
        self._awaits_key = self._escaped = False
        self._key: bytearray | None = None
        self._rest, self._padded = b"", False

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises Invalid, TooLarge."""
        at = 0
        while at < len(data):
            at = self._step(data, at)

    def end(self) -> Any:
        """The value around the attachment. Raises Invalid."""
        return read_json(bytes(self.text))

    def _keep(self, data: bytes) -> None:
        self.text += data
        if len(self.text) > self._most:
            raise TooLarge(
                f"more than {self._most} bytes around the tarball", expected=f"at most {self._most}"
            )

    def _structure(self, data: bytes, at: int) -> int:
        found = _STRUCTURE.search(data, at)
        end = found.end() if found else len(data)
        self._keep(data[at:end])
        sign = data[end - 1 : end] if found else b""
        if sign == b'"':
            self._begin_text()
        elif sign in (b"{", b"["):
            self._open.append(sign == b"{")
            self._keys.append("")
            self._awaits_key = sign == b"{"
            if len(self._open) > MOST_DEPTH:
                raise Invalid("the body is nested too deep", expected=f"at most {MOST_DEPTH} levels")
        elif sign in (b"}", b"]"):
            if not self._open:
                _not_json()
            self._open.pop()
            self._keys.pop()
            self._awaits_key = False
        elif sign == b",":
            self._awaits_key = bool(self._open and self._open[-1])
        return end

    def _begin_text(self) -> None:
        if self._awaits_key:
            self._key = bytearray() if len(self._open) <= _PATH else None
        elif len(self._open) == _PATH and all(self._open) and self._keys[::2] == ["_attachments", "data"]:
            self.attachments += 1
            if self.attachments > 1:
                raise Invalid(
                    "two attachments",
                    expected="one tarball",
                    todo="Publish without provenance of another house.",
                )
            self._rest, self._padded = b"", False
            self._step = self._base64
            return
        self._step = self._in_text

    def _in_text(self, data: bytes, at: int) -> int:
        if self._escaped:
            end, self._escaped, ends = at + 1, False, False
        else:
            found = _IN_TEXT.search(data, at)
            end = found.end() if found else len(data)
            self._escaped = bool(found) and data[end - 1] == ord("\\")
            ends = bool(found) and not self._escaped
        self._keep(data[at:end])
        if self._key is not None:
            self._key += data[at : end - 1 if ends else end]
            if len(self._key) > MOST_KEY:
                raise Invalid("a key is too long", expected=f"at most {MOST_KEY} bytes")
        if ends:
            self._end_text()
        return end

    def _end_text(self) -> None:
        self._step = self._structure
        if self._awaits_key:
            if self._key is not None:
                self._keys[-1] = str(read_json(b'"' + bytes(self._key) + b'"'))
            self._key, self._awaits_key = None, False

    def _base64(self, data: bytes, at: int) -> int:
        end = data.find(b'"', at)
        self._decode(data[at : end if end >= 0 else len(data)])
        if end < 0:
            return len(data)
        if self._rest:
            _not_base64()
        self._keep(b'"')
        self._step = self._structure
        return end + 1

    def _decode(self, data: bytes) -> None:
        data = (self._rest + data).replace(b"\\/", b"/")  # some writers of JSON escape it
        split = b"\\" if data.endswith(b"\\") else b""
        data = data.removesuffix(split)
        whole = len(data) - len(data) % 4
        part, self._rest = data[:whole], data[whole:] + split
        if self._padded and (part or self._rest):
            _not_base64()
        if not part:
            return
        try:
            decoded = binascii.a2b_base64(part, strict_mode=True)
        except binascii.Error:
            _not_base64()
        self._padded = part.endswith(b"=")
        self._sink(decoded)


def _not_base64() -> NoReturn:
    raise Invalid("the tarball is not base64", expected="RFC 4648, with its padding, and nothing else")


def _not_json() -> NoReturn:
    raise Invalid("the body is not JSON", expected="RFC 8259, in UTF-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("a key twice in the JSON")
    if "__proto__" in found:
        raise Invalid("a key __proto__ in the JSON")
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(text)


def read_json(data: bytes) -> Any:
    """The value of a JSON text. Raises Invalid for what is none, or nested too deep."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError):
        _not_json()
    _check(found)
    return found


def _check(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        try:
            "".join(each for each in level if isinstance(each, str)).encode()
        except UnicodeEncodeError:
            raise Invalid("half of a character in the JSON") from None
        if any(isinstance(each, float) and each in (float("inf"), float("-inf")) for each in level):
            raise Invalid("a number in the JSON is too large")
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.keys()
                below += each.values()
            elif isinstance(each, list):
                below += each
        if not below:
            return
        level = below
    raise Invalid("the JSON is nested too deep", expected=f"at most {MOST_DEPTH} levels")


async def receive_split(request: Request, splitter: Splitter) -> Any:
    """The value of a body, its attachment in the splitter's sink. Raises Invalid, TooLarge, Retry."""
    try:
        async for piece in pieces(request.stream(), PIECE):
            await run_in_threadpool(splitter.feed, piece)
    except ClientDisconnect:
        raise Invalid("the client left before the end") from None
    return await run_in_threadpool(splitter.end)


async def receive_json(request: Request, *, most: int) -> Any:
    """The value of a small body. Raises Invalid, TooLarge, Retry."""
    return await run_in_threadpool(read_json, await receive(request, most=most))


async def receive(request: Request, *, most: int) -> bytes:
    """A small body. Raises Invalid, TooLarge, Retry."""
    data = bytearray()
    try:
        async for piece in pieces(request.stream(), PIECE):
            data += piece
            if len(data) > most:
                raise TooLarge(f"more than {most} bytes", expected=f"at most {most} bytes")
    except ClientDisconnect:
        raise Invalid("the client left before the end") from None
    return bytes(data)
