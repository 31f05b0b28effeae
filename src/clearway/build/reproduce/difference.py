"""Where two files differ: down through their archives to a member's mode, a line of text, a byte.

Rules:
1. A difference says what kind it is. Those of STRIPPABLE do not change what the file does: with nothing else
   the files are equivalent.
2. What differs only because something else does (a list of digests) is told, and decides nothing.
3. What is told is short: so many differences, so many lines of each.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from .contents import Budget, Member, Opened, open_file
from .normal import without

Kind = Literal[
    "content", "only-first", "only-second", "time", "mode", "owner", "order", "gzip-header", "compression",
    "archive", "stamp", "consequence",
]  # fmt: skip
STRIPPABLE = frozenset({"time", "mode", "owner", "order", "gzip-header", "compression", "archive", "stamp"})
Verdict = Literal["identical", "equivalent", "different"]
MOST = 200  # differences that are told
LOOKED = 20_000  # differences that are looked at: with more, it is not known what the others are
MOST_LINES = 40  # of a text
MOST_LINE = 300  # characters
_DEPTH = 8
_HEADS: dict[tuple[str, str], Kind] = {
    ("gzip", "time"): "gzip-header",
    ("gzip", "name"): "gzip-header",
    ("gzip", "level and system"): "compression",
}
_WHOLE = 2_000_000  # bytes of a text whose lines are compared


@dataclass(frozen=True)
class Difference:
    """One difference."""

    where: str  # "shop.whl » shop/__init__.py"
    kind: Kind
    first: str = ""  # what the one has there
    second: str = ""
    lines: tuple[str, ...] = ()  # of a unified diff
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """For a record."""
        return {**asdict(self), "lines": list(self.lines)}


def compare(name: str, first: bytes, second: bytes) -> list[Difference]:
    """Differences, none when the bytes are the same. Beyond those that are told: where, and which kind."""
    found: list[Difference] = []
    for each in islice(_compare(name, first, second, Budget(), 0), LOOKED):
        found.append(each if len(found) < MOST else Difference(each.where, each.kind))
    return found


def verdict(differences: Sequence[Difference]) -> Verdict:
    """What the differences come to."""
    if not differences:
        return "identical"
    kinds = {each.kind for each in differences} - {"consequence"}
    return "equivalent" if kinds <= STRIPPABLE and len(differences) < LOOKED else "different"


def _compare(where: str, first: bytes, second: bytes, budget: Budget, depth: int) -> Iterator[Difference]:
    if first == second:
        return
    one = open_file(first, budget) if depth < _DEPTH else None
    two = open_file(second, budget) if one is not None else None
    if one is None or two is None or one.kind != two.kind:
        yield _bytes(where, first, second)
        return
    found = False
    for each in _inside(where, one, two, budget, depth):
        found = True
        yield each
    if not found:
        yield Difference(where, "compression", f"{len(first)} bytes", f"{len(second)} bytes")


def _inside(where: str, one: Opened, two: Opened, budget: Budget, depth: int) -> Iterator[Difference]:
    for key in sorted(one.head.keys() | two.head.keys()):
        left, right = one.head.get(key, ""), two.head.get(key, "")
        if left != right:
            yield Difference(f"{where} ({key})", _HEADS.get((one.kind, key), "archive"), left, right)
    left_names, right_names = ([each.name for each in side.members] for side in (one, two))
    mine, others = _by_name(one), _by_name(two)
    for name in (each for each in left_names if each not in others):
        yield Difference(f"{where} » {name}", "only-first", f"{len(mine[name].data)} bytes")
    for name in (each for each in right_names if each not in mine):
        yield Difference(f"{where} » {name}", "only-second", "", f"{len(others[name].data)} bytes")
    common = [each for each in left_names if each in others]
    theirs = [each for each in right_names if each in mine]
    if common != theirs:
        at = next((i for i, (a, b) in enumerate(zip(common, theirs, strict=False)) if a != b), 0)
        yield Difference(where, "order", " ".join(common[at : at + 3]), " ".join(theirs[at : at + 3]))
    yield from _members(where, one, mine, others, common, budget, depth)


def _by_name(opened: Opened) -> dict[str, Member]:
    return {each.name: each for each in opened.members}


def _members(
    where: str,
    one: Opened,
    mine: dict[str, Member],
    others: dict[str, Member],
    common: Sequence[str],
    budget: Budget,
    depth: int,
) -> Iterator[Difference]:
    changed: set[str] = set()
    # A list of the archive's own files comes last: it differs when one of them does.
    for name in sorted(dict.fromkeys(common), key=_is_list):
        left, right = mine[name], others[name]
        inner = where if one.kind in ("gzip", "bzip2", "xz") else f"{where} » {name}"
        for kind in ("time", "mode", "owner"):
            a, b = str(getattr(left, kind)), str(getattr(right, kind))
            if a != b:
                yield Difference(inner, kind, a, b)
        if left.extra != right.extra:
            yield Difference(inner, "archive", left.extra, right.extra)
        if left.data == right.data:
            continue
        if _is_list(name) and _other_lines(left.data, right.data, changed):
            yield Difference(inner, "consequence", note="it lists the digests of other files")
            continue
        changed.add(name)
        yield from _compare(inner, left.data, right.data, budget, depth + 1)


def _is_list(name: str) -> bool:
    return name.endswith((".dist-info/RECORD", "META-INF/MANIFEST.MF"))


def _other_lines(first: bytes, second: bytes, changed: set[str]) -> bool:
    """Whether a wheel's RECORD differs in the lines of files that differ themselves."""
    left, right = (sorted(_lines_of(data, changed)) for data in (first, second))
    return bool(changed) and left == right


def _lines_of(data: bytes, changed: set[str]) -> Iterator[bytes]:
    for line in data.splitlines():
        name = line.rsplit(b",", 2)[0].decode(errors="replace").strip('"')
        if name not in changed:
            yield line


def _bytes(where: str, first: bytes, second: bytes) -> Difference:
    name = where.rpartition(" » ")[2]
    if stripped := without(name, first, second):
        return Difference(where, "stamp", note=stripped)
    if len(first) < _WHOLE and len(second) < _WHOLE:
        try:
            left, right = first.decode(), second.decode()
        except UnicodeDecodeError:
            pass
        else:
            if "\0" not in left:
                return Difference(where, "content", lines=_diff(left, right))
    return Difference(where, "content", *_binary(first, second))


def _diff(left: str, right: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(left.splitlines(), right.splitlines(), "first", "second", n=1, lineterm="")
    return tuple(_short(line) for line in islice(lines, 2, 2 + MOST_LINES))


def _short(line: str) -> str:
    return line if len(line) <= MOST_LINE else line[:MOST_LINE] + " [cut]"


def _binary(first: bytes, second: bytes) -> tuple[str, str]:
    """What is around the first byte that differs."""
    least = min(len(first), len(second))
    low, high = 0, least
    while low < high:  # the longest start that they share
        middle = (low + high + 1) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle - 1
    return tuple(  # type: ignore[return-value]
        f"{len(data)} bytes; at {low:#x}: {_shown(data[max(0, low - 8) : low + 32])}"
        for data in (first, second)
    )


def _shown(data: bytes) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
    return f"{data[:24].hex(' ')}  {text}"
