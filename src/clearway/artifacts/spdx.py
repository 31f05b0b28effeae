"""SPDX expressions of licences, and whether lists allow them. Pure.

Rule: `A OR B` is allowed when either is, `A AND B` when both are; a licence with an exception is allowed by
name with it, or without it. Words that are no expression are unknown, unless a list has just these words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Literal

Verdict = Literal["allowed", "denied", "unknown"]
MOST = 1000  # characters of an expression


def expression(text: str) -> str | None:
    """The SPDX expression in its canonical form; None when the text is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not text or len(text) > MOST:
        return None
    try:
        return str(canonicalize_license_expression(text))
    except (InvalidLicenseExpression, RecursionError):
        return None


def judge(said: str, allow: Collection[str], deny: Collection[str] = ()) -> Verdict:
    """Whether the lists allow what a package says; with an empty `allow` everything known but `deny`."""
    known = expression(said)
    wanted = {each.lower() for each in allow}
    barred = {each.lower() for each in deny}
    if known is None:
        words = said.lower()
        return "denied" if words in barred else "allowed" if said and words in wanted else "unknown"

    def fine(name: str) -> bool:
        names = {name.lower(), name.lower().partition(" with ")[0]}
        return not names & barred and (not wanted or bool(names & wanted))

    return "allowed" if _Tree(known).holds(fine) else "denied"


class _Tree:
    """Evaluates a canonical expression; AND binds more tightly than OR."""

    def __init__(self, text: str) -> None:
        self._words = re.findall(r"\(|\)|[^\s()]+", text)
        self._at = 0

    def holds(self, fine: Callable[[str], bool]) -> bool:
        """Whether some way to read the expression has only licences that are fine."""
        found = self._either(fine)
        return found and self._at == len(self._words)

    def _next(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _either(self, fine: Callable[[str], bool]) -> bool:
        found = self._both(fine)
        while self._next() == "OR":
            self._at += 1
            found = self._both(fine) or found
        return found

    def _both(self, fine: Callable[[str], bool]) -> bool:
        found = self._one(fine)
        while self._next() == "AND":
            self._at += 1
            found = self._one(fine) and found
        return found

    def _one(self, fine: Callable[[str], bool]) -> bool:
        word = self._next()
        self._at += 1
        if word == "(":
            found = self._either(fine)
            self._at += 1
            return found
        if self._next() == "WITH":
            word = f"{word} WITH {self._words[self._at + 1]}"
            self._at += 2
        return fine(word)
