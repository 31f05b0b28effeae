"""Forms with one file in them (multipart/form-data), as package clients publish: the file is streamed.

Rules:
1. Fields of text are bounded in number and size; the file goes to an intake as it comes.
2. A second file, a field after the end, a body that ends early: nothing is stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from clearway.kernel import Invalid
from clearway.storage import Blobs, Intake

from .bytes_in import PIECE, TooLarge, pieces

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_FIELDS = 500
MOST_TEXT = 4 << 20  # bytes of all text together
MOST_OTHER_FILE = 1 << 20  # bytes of a further file, such as a signature; it is thrown away


@dataclass
class Form:
    """What came. The file is in the intake, not stored yet: `finish` or `abandon` it."""

    intake: Intake
    values: dict[str, list[str]] = field(default_factory=dict)
    file_name: str | None = None  # None: no file came

    def one(self, name: str) -> str:
        """A field's first value; empty when there is none."""
        return self.values.get(name, [""])[0]


async def read_form(
    request: Request, blobs: Blobs, *, file: str | None, most: int, algorithms: Sequence[str] = ()
) -> Form:
    """Read a form whose field `file` (any when None) is a file. Raises Invalid, TooLarge, Retry.

    Whoever gets the form ends its intake; when this raises, it was abandoned.
    """
    about = Message()
    about["content-type"] = request.headers.get("content-type", "")
    boundary = about.get_param("boundary")
    if about.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise Invalid("the body is no form", expected="multipart/form-data with the file")
    form = Form(await run_in_threadpool(blobs.receive, algorithms))
    reader = _Reader(form, file, most)
    try:
        parser = MultipartParser(boundary.encode("latin-1", "replace"), reader.callbacks())
        await _feed(request.stream(), parser)
        if not reader.ended:
            raise Invalid("the body ends too early", expected="a closing boundary")
    except BaseException as error:
        await run_in_threadpool(form.intake.abandon)
        if isinstance(error, MultipartParseError):
            raise Invalid(f"the body is not well formed: {error}"[:300]) from None
        if isinstance(error, ClientDisconnect):
            raise Invalid("the client left before the end") from None
        raise
    return form


async def _feed(stream: AsyncIterator[bytes], parser: MultipartParser) -> None:
    async for piece in pieces(stream, PIECE):
        await run_in_threadpool(parser.write, piece)
    parser.finalize()


class _Reader:
    """What the parser calls."""

    def __init__(self, form: Form, wanted: str | None, most: int) -> None:
        self.ended = False
        self._form, self._wanted, self._most = form, wanted, most
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._field, self._is_file, self._is_ours = "", False, False
        self._text = bytearray()
        self._sum = self._thrown = self._fields = 0

    def callbacks(self) -> MultipartCallbacks:
        """By the parser's names."""
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._begin,
            "on_part_data": lambda data, start, end: self._data(memoryview(data)[start:end]),
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _begin(self) -> None:
        about = Message()
        about["content-disposition"] = self._headers.get("content-disposition", "")
        name, file_name = about.get_param("name", header="content-disposition"), about.get_filename()
        self._field, self._is_file = str(name or ""), file_name is not None
        self._is_ours = self._is_file and self._wanted in (None, self._field)
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise TooLarge("too many fields", expected=f"at most {MOST_FIELDS}")
        if self._is_ours:
            if self._form.file_name is not None:
                raise Invalid("two files", expected="one file in a request")
            self._form.file_name = file_name

    def _data(self, data: memoryview) -> None:
        if self._is_ours:
            if self._form.intake.size + len(data) > self._most:
                raise TooLarge(f"more than {self._most} bytes", expected=f"at most {self._most} bytes")
            self._form.intake.write(data)
        elif self._is_file:
            self._thrown += len(data)
            if self._thrown > MOST_OTHER_FILE:
                raise TooLarge(f"the file in {self._field[:50]} is too large")
        else:
            self._sum += len(data)
            if self._sum > MOST_TEXT:
                raise TooLarge("too much text", expected=f"at most {MOST_TEXT} bytes")
            self._text += data

    def _end(self) -> None:
        if not self._is_file:
            try:
                text = self._text.decode()
            except UnicodeDecodeError:
                raise Invalid(f"the field {self._field[:50]} is not UTF-8") from None
            self._form.values.setdefault(self._field, []).append(text)
            self._text.clear()

    def _all(self) -> None:
        self.ended = True
