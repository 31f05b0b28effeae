"""The lines of a failed step that say what went wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .colours import plain

MOST = 40
LAST = 5  # lines that are shown whatever they say
_BEFORE, _AFTER = 1, 2
_MOST_TRACE = 60
_TOLD = re.compile(
    r"(?:^|[^\w/.-])(?:errors?|fatal|failed|failures?|exception|panic(?:ked)?|undefined (?:reference|symbol)"
    r"|undeclared|traceback|segmentation fault|not found|no such file|permission denied|unable to|cannot"
    r"|refused)(?:[^\w-]|$)|\w(?:Error|Exception)\b|\bnpm ERR!|^FAIL\b|^not ok\b",
    re.IGNORECASE,
)
_GOOD = re.compile(r"\b(?:0|no|without) (?:errors?|failed|failures?|exceptions?)\b|-Werror\S*", re.IGNORECASE)
_PYTEST = re.compile(r"^E\s{2,}")
_OURS = ("build", "log")  # what is said of the whole build
_TRACE = "Traceback (most recent call last):"


@dataclass(frozen=True)
class Line:
    """One line of a log."""

    number: int
    step: str
    text: str  # with its colours
    bad: bool = False  # it says what went wrong


def split(line: str) -> tuple[str, str]:
    """A line's step and text."""
    step, bar, text = line.partition(" | ")
    return (step, text) if bar else ("log", line)


def failed_step(lines: Sequence[Line]) -> str | None:
    """The step that failed: it is told to have, and wrote something, or was told first; else the last."""
    told = [each.step for each in lines if each.text.startswith("failed: ")]  # the innermost comes first
    wrote = [each.step for each in lines if not each.text.startswith("failed: ") and each.step not in _OURS]
    last = told[0] if told else wrote[-1] if wrote else None
    return next((step for step in reversed(wrote) if step in told), last)


def pick(lines: Sequence[Line]) -> list[Line]:
    """Of the last lines of a log, those that tell why the failed step failed, in their order."""
    step = failed_step(lines)
    own = [each for each in lines if each.step == step]
    bad = _bad([plain(each.text) for each in own])
    near = {at + by for at in bad for by in range(-_BEFORE, _AFTER + 1)}
    chosen = sorted(at for at in near | set(range(len(own) - LAST, len(own))) if 0 <= at < len(own))
    if len(chosen) > MOST:  # the first is most often the cause, the last the sum
        chosen = chosen[: MOST - 15] + chosen[-15:]
    return [Line(own[at].number, own[at].step, own[at].text, at in bad) for at in chosen]


def _bad(texts: Sequence[str]) -> set[int]:
    found: set[int] = set()
    began: int | None = None
    for at, text in enumerate(texts):
        if text.startswith(_TRACE):
            began = at
        elif began is not None and not text.startswith((" ", "\t")):
            found |= set(range(max(began, at - _MOST_TRACE), at + 1))
            began = None
        elif _PYTEST.match(text) or (len(text) < 2000 and _TOLD.search(_GOOD.sub("", text))):
            found.add(at)
    return found
