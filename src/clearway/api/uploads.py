"""Files that are sent as multipart/form-data, written to disk as they come.

Rules:
1. Nothing is held in memory but one piece; each file has a limit, and so has the whole.
2. Every part says its digest before its bytes (`Repr-Digest: sha-256=:...:`, RFC 9530), and is hashed while
   it is written: what arrives otherwise is refused, and nothing of it stays.
3. The names that a sender gives are data. Files lie under numbers.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from clearway.kernel import ClearwayError, Conflict, Invalid, Retry

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FILE = 4 << 30
MAX_TOTAL = 8 << 30
MAX_FILES = 200
PIECE = 1 << 20
DRAINED = 64 << 20
DRAINED_S = 5.0
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


class TooMuch(ClearwayError):
    """A file, or all of them together, pass the limit."""

    status = 413
    title = "Too large"


@dataclass(frozen=True)
class Upload:
    """One file that arrived whole, with the digest that it was promised to have."""

    field: str
    name: str
    path: Path
    digest: str
    size: int


@dataclass
class Limits:
    """What is taken at most."""

    file: int = MAX_FILE
    total: int = MAX_TOTAL
    files: int = MAX_FILES


async def receive(
    request: Request, folder: Path, limits: Limits, *, crowded: Callable[[], bool] = lambda: False
) -> list[Upload]:
    """Every file of a request, written into the folder.

    Raises Invalid for what is no upload, Conflict for bytes with another digest, TooMuch, Retry when the disk
    is nearly full or the sender went away.
    """
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    about = Message()
    about["content-type"] = request.headers.get("content-type", "")
    boundary = about.get_param("boundary")
    if kind.strip().lower() != "multipart/form-data" or not isinstance(boundary, str):
        raise Invalid("the body is no upload", expected="multipart/form-data with the files")
    parts = _Parts(folder, limits, crowded)
    parser = MultipartParser(boundary.encode(), parts.callbacks())
    held = bytearray()
    try:
        async for piece in request.stream():
            held += piece
            if len(held) >= PIECE:
                await run_in_threadpool(parser.write, bytes(held))
                held.clear()
        await run_in_threadpool(parser.write, bytes(held))
        parser.finalize()
    except MultipartParseError as error:
        raise Invalid(f"the body is not well formed: {error}", expected="multipart/form-data") from None
    except ClientDisconnect:
        raise Retry("the sender went away") from None
    except OSError as error:
        raise Retry(f"the upload cannot be written: {error.strerror}", todo="Free some space.") from None
    finally:
        parts.close()
    if not parts.ended:
        raise Invalid("the body ends too early", expected="a closing boundary")
    return parts.done


async def drain(request: Request) -> None:
    """Let a sender who is refused finish, for a moment: what comes is thrown away."""
    left = DRAINED
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(DRAINED_S):
            async for piece in request.stream():
                left -= len(piece)
                if left < 0:
                    return


class _Parts:
    """What a parser of multipart bodies calls; one file is open at a time."""

    def __init__(self, folder: Path, limits: Limits, crowded: Callable[[], bool]) -> None:
        self.done: list[Upload] = []
        self.ended = False
        self._folder = folder
        self._limits = limits
        self._crowded = crowded
        self._total = 0
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._size = 0

    def callbacks(self) -> MultipartCallbacks:
        """By the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._write(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def close(self) -> None:
        """Let go of a file that was not finished."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        if len(self.done) >= self._limits.files:
            raise TooMuch("too many files", expected=f"at most {self._limits.files}")
        self._headers = {}

    def _header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()

    def _open(self) -> None:
        self._field, self._given = _names(self._headers.get("content-disposition", ""))
        self._digest = _promised(self._headers.get("repr-digest", ""), self._given)
        self._hash, self._size = hashlib.sha256(), 0
        if self._crowded():
            raise Retry("the disk is nearly full", todo="Free some space.")
        self._path = self._folder / str(len(self.done))
        self._file = self._path.open("xb")

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        self._total += len(data)
        if self._size > self._limits.file or self._total > self._limits.total:
            raise TooMuch(
                f"{self._given} is too large",
                expected=f"at most {self._limits.file} bytes a file, {self._limits.total} together",
            )
        self._hash.update(data)
        assert self._file is not None  # noqa: S101 - a part's data comes after its headers
        self._file.write(data)

    def _end(self) -> None:
        assert self._file is not None  # noqa: S101 - so does its end
        self._file.close()
        self._file = None
        found = "sha256:" + self._hash.hexdigest()
        if found != self._digest:
            raise Conflict(
                f"{self._given} arrived with the digest {found}", expected=self._digest, todo="Send it again."
            )
        self.done.append(Upload(self._field, self._given, self._path, found, self._size))

    def _all(self) -> None:
        self.ended = True


def _names(disposition: str) -> tuple[str, str]:
    """The field and the file's name. Raises Invalid for a part that is no file."""
    about = Message()
    about["content-disposition"] = disposition
    field = about.get_param("name", header="content-disposition")
    name = about.get_filename()
    if about.get_content_disposition() != "form-data" or not isinstance(field, str) or not name:
        raise Invalid("a part is no file", expected="form-data with `name` and `filename`")
    return field, name


def _promised(header: str, name: str) -> str:
    found = _DIGEST.search(header)
    if not found:
        raise Invalid(f"{name} comes without its digest", expected="Repr-Digest: sha-256=:BASE64:")
    try:
        return "sha256:" + base64.b64decode(found.group(1), validate=True).hex()
    except binascii.Error:
        raise Invalid(f"the digest of {name} is none") from None
