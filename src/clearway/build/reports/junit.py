"""JUnit's XML: each case, and how it ended."""

from __future__ import annotations

import math
from typing import IO, Any
from xml.etree.ElementTree import Element

from clearway.build.model import BuildFailed

from .xml import elements, name_of

MOST_NAMES = 1000  # of each kind; the rest is counted
MOST_MESSAGES = 50
MOST_TEXT = 300
_ROOTS = ("testsuites", "testsuite")


def read(stream: IO[bytes]) -> dict[str, Any]:
    """How many passed, failed and were skipped, with their names. Raises BuildFailed."""
    names: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    counts = dict.fromkeys(names, 0)
    failures: list[dict[str, str]] = []
    seconds, root = 0.0, ""
    for around, element in elements(stream):
        root = around[0] if around else name_of(element)
        if name_of(element) != "testcase":
            if name_of(element) in _ROOTS:
                element.clear()
            continue
        how, message = _ended(element)
        name = _named(element)
        counts[how] += 1
        if len(names[how]) < MOST_NAMES:
            names[how].append(name)
        if how == "failed" and len(failures) < MOST_MESSAGES:
            failures.append({"name": name, "message": message})
        seconds += _seconds(element.get("time"))
        element.clear()
    if root not in _ROOTS:
        raise BuildFailed(f"it is no JUnit report: its outermost element is {root[:50]!r}")
    return {
        **counts,
        "total": sum(counts.values()),
        "seconds": round(seconds, 3),
        "passed_names": names["passed"],
        "failed_names": names["failed"],
        "failures": failures,
    }


def _ended(case: Element) -> tuple[str, str]:
    for child in case:
        if name_of(child) in ("failure", "error"):
            text = child.get("message") or child.text or ""
            return "failed", " ".join(text.split())[:MOST_TEXT]
    skipped = any(name_of(child) == "skipped" for child in case) or case.get("status") == "skipped"
    return ("skipped", "") if skipped else ("passed", "")


def _named(case: Element) -> str:
    inside, name = case.get("classname") or case.get("file") or "", case.get("name") or "?"
    return (f"{inside}.{name}" if inside else name)[:MOST_TEXT]


def _seconds(text: str | None) -> float:
    try:
        found = float((text or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return found if math.isfinite(found) and 0 <= found < 1e9 else 0.0
