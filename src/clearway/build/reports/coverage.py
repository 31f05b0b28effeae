"""Coverage in the forms that tools write: how many lines and branches there are, and how many ran."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import IO, Any
from xml.etree.ElementTree import Element

from clearway.build.model import BuildFailed

from .xml import elements, name_of, number

_CONDITIONS = re.compile(r"\((\d{1,9})/(\d{1,9})\)")
_LCOV = {"LF": "lines", "LH": "lines_hit", "BRF": "branches", "BRH": "branches_hit"}


@dataclass
class Counted:
    """What was found so far."""

    lines: int = 0
    lines_hit: int = 0
    branches: int = 0
    branches_hit: int = 0
    files: int = 0

    def as_json(self, kind: str) -> dict[str, Any]:
        """The counts of one report. Raises BuildFailed when more ran than there is."""
        if not 0 <= self.lines_hit <= self.lines or not 0 <= self.branches_hit <= self.branches:
            raise BuildFailed("its counts contradict each other")
        return {
            "format": kind,
            "lines": {"total": self.lines, "covered": self.lines_hit},
            "branches": {"total": self.branches, "covered": self.branches_hit},
            "files": self.files,
        }


def read(stream: IO[bytes]) -> dict[str, Any]:
    """The counts of a report in any of the forms. Raises BuildFailed."""
    head = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    stream.seek(0)
    if head.startswith(b"<"):
        return _xml(stream)
    if head.startswith(b"{"):
        return _json(stream)
    return _lcov(stream)


def _xml(stream: IO[bytes]) -> dict[str, Any]:
    found, root = Counted(), ""
    for around, element in elements(stream):
        name = name_of(element)
        root = around[0] if around else name
        if root == "coverage" and name == "class":
            _class(element, found)
            element.clear()
        elif root == "report" and name == "counter" and len(around) == 1:
            _counter(element, found)
        elif root == "report" and name in ("sourcefile", "class"):
            found.files += name == "sourcefile"
            element.clear()
    if root not in ("coverage", "report"):
        raise BuildFailed(f"it is no coverage report: its outermost element is {root[:50]!r}")
    return found.as_json("cobertura" if root == "coverage" else "jacoco")


def _class(element: Element, found: Counted) -> None:
    """Cobertura: the lines of a class are listed again in its methods, which do not count twice."""
    found.files += 1
    for block in element:
        if name_of(block) != "lines":
            continue
        for line in block:
            found.lines += 1
            found.lines_hit += number(line.get("hits")) > 0
            if hit := _CONDITIONS.search(line.get("condition-coverage") or ""):
                found.branches_hit += int(hit.group(1))
                found.branches += int(hit.group(2))


def _counter(element: Element, found: Counted) -> None:
    missed, covered = number(element.get("missed")), number(element.get("covered"))
    if element.get("type") == "LINE":
        found.lines, found.lines_hit = missed + covered, covered
    elif element.get("type") == "BRANCH":
        found.branches, found.branches_hit = missed + covered, covered


def _json(stream: IO[bytes]) -> dict[str, Any]:
    try:
        said = json.load(stream)
        if "totals" in said:
            return _coverage_py(said)
        return _istanbul(said["total"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BuildFailed("it is no coverage report: expected `totals` or `total` with counts") from error


def _coverage_py(said: dict[str, Any]) -> dict[str, Any]:
    totals = said["totals"]
    return Counted(
        _count(totals["num_statements"]),
        _count(totals["covered_lines"]),
        _count(totals.get("num_branches", 0)),
        _count(totals.get("covered_branches", 0)),
        len(said.get("files", ())),
    ).as_json("coverage.py")


def _istanbul(total: dict[str, Any]) -> dict[str, Any]:
    lines, branches = total["lines"], total.get("branches", {"total": 0, "covered": 0})
    return Counted(
        _count(lines["total"]),
        _count(lines["covered"]),
        _count(branches["total"]),
        _count(branches["covered"]),
    ).as_json("istanbul")


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise ValueError("not a count")
    return value


def _lcov(stream: IO[bytes]) -> dict[str, Any]:
    found = Counted()
    ended = False
    for line in stream:
        key, _, value = line.decode(errors="replace").strip().partition(":")
        if key in _LCOV:
            setattr(found, _LCOV[key], getattr(found, _LCOV[key]) + number(value))
        elif key == "SF":
            found.files += 1
        ended = ended or key == "end_of_record"
    if not ended:
        raise BuildFailed("it is no coverage report: neither XML nor JSON nor lcov")
    return found.as_json("lcov")


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Several reports as one: the sums, and what share that is in percent."""
    found: dict[str, Any] = {"files": sum(row["files"] for row in rows)}
    for kind in ("lines", "branches"):
        whole = sum(row[kind]["total"] for row in rows)
        covered = sum(row[kind]["covered"] for row in rows)
        percent = round(100 * covered / whole, 2) if whole else None
        found[kind] = {"total": whole, "covered": covered, "percent": percent}
    return found
