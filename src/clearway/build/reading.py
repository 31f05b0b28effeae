"""Reading logs: by line, by a text in them, as a file, and what of them says why a build failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clearway.kernel import Invalid
from clearway.storage import Database, UnitOfWork

from . import failing, kept_log, service, store
from .colours import plain
from .failing import Line
from .model import OPEN
from .workshop import Workshop

MOST_LINES = 5000
MOST_HITS = 1000
TAIL_BYTES = 1 << 20
MOST_TEXT = 200
_COLOURS = re.compile(rb"\x1b\[[0-9;]{0,40}m")


@dataclass(frozen=True)
class LogLines:
    """Some lines of a log."""

    lines: list[Line]
    following: int | None  # the number of the next; None: the log ends here, as far as it is written
    total: int  # lines of the whole log, as far as it is written


@dataclass(frozen=True)
class Found:
    """What a search found."""

    hits: list[Line]
    more_after: int | None  # there is more: search again after this line


def log_lines(uow: UnitOfWork, build_id: str, first: int = 1, count: int = 500) -> LogLines:
    """Lines from a number on; a negative number counts from the end. Raises NotFound, Invalid."""
    if not 1 <= count <= MOST_LINES or first == 0:
        raise Invalid(f"{count} lines from {first}", expected=f"1 to {MOST_LINES} lines; the first one is 1")
    service.get(uow, build_id)
    with kept_log.opened(_folder(uow, build_id)) as stored:
        total = stored.line(stored.size()) - 1
        first = max(1, total + 1 + first) if first < 0 else first
        begin, end = stored.start(first), stored.start(first + count)
        texts = stored.read(begin, end - begin).decode(errors="replace").split("\n")[:-1]
    lines = [_line(first + at, text) for at, text in enumerate(texts)]
    return LogLines(lines, first + count if first + count <= total else None, total)


def log_window(uow: UnitOfWork, build_id: str, line: int | None, lines: int) -> tuple[int, int]:
    """Where to begin reading to see a line, or the last `lines` lines: the offset, and that line's number."""
    with kept_log.opened(_folder(uow, build_id)) as stored:
        end = stored.line(stored.size())
        first = max(1, end - lines if line is None else min(line, end) - lines // 10)
        return stored.start(first), first


def log_line_at(uow: UnitOfWork, build_id: str, offset: int) -> int:
    """The number of the line that begins at an offset."""
    with kept_log.opened(_folder(uow, build_id)) as stored:
        return stored.line(offset)


def search_log(
    uow: UnitOfWork, build_id: str, text: str, *, step: str = "", after: int = 0, limit: int = 200
) -> Found:
    """Lines with this text, whatever its case, from the whole log; of one step, when it is named.

    `compile` names `compile 1` and `compile 2`, too. Raises NotFound, Invalid.
    """
    service.get(uow, build_id)
    if not 1 <= limit <= MOST_HITS:
        raise Invalid(f"{limit} lines", expected=f"1 to {MOST_HITS}")
    if not (text or step) or len(text) > MOST_TEXT or "\n" in text:
        raise Invalid("what shall be searched for?", expected=f"1 to {MOST_TEXT} characters of one line")
    hits: list[Line] = []
    with kept_log.opened(_folder(uow, build_id)) as stored:
        for number, data in _numbered(stored, after):
            for line in _matches(number, data, text.lower().encode(), step):
                if len(hits) == limit:
                    return Found(hits, hits[-1].number)
                hits.append(line)
    return Found(hits, None)


def _numbered(stored: kept_log.Stored, after: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, each with the number of its first."""
    number, rest = after + 1, b""
    for data in stored.blocks(stored.start(number)):
        whole, bar, tail = (rest + data).rpartition(b"\n")
        if bar:
            yield number, whole + bar
            number += whole.count(b"\n") + 1
        rest = tail


def _matches(number: int, data: bytes, wanted: bytes, step: str) -> Iterator[Line]:
    if b"\x1b" in data:
        data = _COLOURS.sub(b"", data)
    low = data.lower() if wanted.isascii() else data.decode(errors="replace").lower().encode()
    if len(low) != len(data):  # a few letters change their length with their case
        low = data.lower()
    at = counted = 0
    while (hit := low.find(wanted, at)) >= 0 and hit < len(low):
        begin, end = low.rfind(b"\n", 0, hit) + 1, low.find(b"\n", hit)
        number += low.count(b"\n", counted, begin)
        counted, at = begin, end + 1
        line = _line(number, data[begin:end].decode(errors="replace"))
        told = not wanted or wanted in low[begin + len(line.step.encode()) + 3 : end]
        if told and _of(line.step, step):
            yield line


def _of(name: str, step: str) -> bool:
    return not step or name == step or (name.startswith(step + " ") and name[len(step) + 1 :].isdigit())


def failing_lines(uow: UnitOfWork, build_id: str) -> list[Line]:
    """Of a build that failed: the lines that say why. Empty for any other. Raises NotFound."""
    if service.get(uow, build_id).status != "failed":
        return []
    with kept_log.opened(_folder(uow, build_id)) as stored:
        begin = max(0, stored.size() - TAIL_BYTES)
        data = stored.read(begin, TAIL_BYTES)
        if begin:
            cut = data.find(b"\n") + 1
            begin, data = begin + cut, data[cut:]
        first = stored.line(begin)
    texts = data.decode(errors="replace").split("\n")
    return failing.pick([_line(first + at, text) for at, text in enumerate(texts) if text])


def whole_log(uow: UnitOfWork, build_id: str) -> Iterator[bytes]:
    """The log as it is now, without colours, in pieces; for a file. Raises NotFound."""
    service.get(uow, build_id)
    return _whole(uow.tool(Workshop), build_id)


def _whole(workshop: Workshop, build_id: str) -> Iterator[bytes]:
    with kept_log.opened(workshop.log_path(build_id).parent) as stored:
        rest = b""
        for data in stored.blocks():
            whole, bar, rest = (rest + data).rpartition(b"\n")
            if bar:
                yield _COLOURS.sub(b"", whole + bar)
        if rest:
            yield plain(rest.decode(errors="replace")).encode()


def pack_logs(database: Database) -> None:
    """A chore: compress the logs of builds that have ended, where a crash or an older version left them."""
    workshop = database.tool(Workshop)
    for file in workshop.root.glob(f"*/{kept_log.GROWING}"):
        if file.is_symlink() or file.stat().st_size < kept_log.LEAST_BYTES:
            continue
        with database.read() as uow:
            found = store.find(uow, file.parent.name)
        if found is not None and found.status not in OPEN:
            kept_log.pack(file.parent)


def _line(number: int, text: str) -> Line:
    return Line(number, *failing.split(text))


def _folder(uow: UnitOfWork, build_id: str) -> Path:
    return uow.tool(Workshop).log_path(build_id).parent
