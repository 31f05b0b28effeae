"""Conventional Commits 1.0, read from a commit message. Pure.

Rules:
1. The header is `type(scope)!: description`; any type is allowed, its case does not matter, and the colon is
   followed by a space. A message whose header is not so is no conventional commit: None, never an error.
2. Footers start at the first line after a blank one that is `token: value` or `token #value`. A footer runs
   until the next one starts, over line ends and blank lines.
3. `BREAKING CHANGE` and `BREAKING-CHANGE` mean the same and are written in capitals; `!` says so too. Because
   a missed breaking change is worse than an odd-looking body, they start a footer on any line.
4. A squashed merge lists its commits as bullets; each bullet that is a header counts as a change of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Conventional", "Footer", "parse", "squashed"]

_HEADER = re.compile(
    r"(?P<type>[A-Za-z][\w+./-]*)(?:\((?P<scope>[^()\r\n]+)\))?(?P<bang>!)?: +(?P<description>\S.*)"
)
_FOOTER = re.compile(r"(?P<token>BREAKING CHANGE|[A-Za-z][\w-]*)(?:: +| (?=#))(?P<value>\S.*)")
_BREAKING_LINE = re.compile(r"BREAKING[ -]CHANGE: +\S")
_BREAKING = ("BREAKING CHANGE", "BREAKING-CHANGE")
_BULLET = re.compile(r"[*-] +(?P<header>.+)")


@dataclass(frozen=True)
class Footer:
    """One footer; its token as written, its value over as many lines as it has."""

    token: str
    value: str


@dataclass(frozen=True)
class Conventional:
    """A commit message that follows the specification."""

    type: str  # in small letters: feat, fix, ...
    scope: str | None
    description: str
    breaking: bool
    body: str = ""
    footers: tuple[Footer, ...] = ()

    @property
    def breaking_notes(self) -> tuple[str, ...]:
        """What breaks, in the author's words; the description when only `!` says so; else nothing."""
        said = tuple(footer.value for footer in self.footers if footer.token in _BREAKING)
        return said or ((self.description,) if self.breaking else ())


def parse(message: str) -> Conventional | None:
    """The commit message by the specification, or None when it is not written by it."""
    header_line, _, rest = message.replace("\r\n", "\n").strip("\n").partition("\n")
    found = _header(header_line)
    if found is None:
        return None
    kind, scope, bang, description = found
    body, footers = _body_and_footers(rest)
    breaking = bang or any(footer.token in _BREAKING for footer in footers)
    return Conventional(kind, scope, description, breaking, body, footers)


def squashed(body: str) -> tuple[Conventional, ...]:
    """The changes that a squashed merge lists as bullets in its body."""
    found = []
    for line in body.split("\n"):
        bullet = _BULLET.fullmatch(line.rstrip())
        parts = _header(bullet["header"]) if bullet else None
        if parts:
            found.append(Conventional(parts[0], parts[1], parts[3], parts[2]))
    return tuple(found)


def _header(line: str) -> tuple[str, str | None, bool, str] | None:
    found = _HEADER.fullmatch(line.rstrip())
    if found is None:
        return None
    scope = (found["scope"] or "").strip() or None
    return found["type"].lower(), scope, bool(found["bang"]), found["description"]


def _body_and_footers(text: str) -> tuple[str, tuple[Footer, ...]]:
    lines = text.split("\n")
    first = next((index for index in range(len(lines)) if _starts_footers(lines, index)), len(lines))
    body = "\n".join(lines[:first]).strip("\n").rstrip()
    footers: list[tuple[str, list[str]]] = []
    for line in lines[first:]:
        found = _FOOTER.fullmatch(line)
        if found:
            footers.append((found["token"], [found["value"]]))
        else:
            footers[-1][1].append(line)
    return body, tuple(Footer(token, "\n".join(value).strip()) for token, value in footers)


def _starts_footers(lines: list[str], index: int) -> bool:
    if _BREAKING_LINE.match(lines[index]) and _FOOTER.fullmatch(lines[index]):
        return True
    return index > 0 and not lines[index - 1].strip() and _FOOTER.fullmatch(lines[index]) is not None
