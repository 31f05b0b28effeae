"""A terminal's colours as names of looks; `log.js` does the same for lines that come later. Pure."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]{0,40}m")


def _flat(codes: list[int]) -> list[int]:
    """The codes, in which the colours of long palettes are the nearest of the short one."""
    found: list[int] = []
    at = 0
    while at < len(codes):
        code = codes[at]
        if code in (38, 48):
            kind = codes[at + 1] if at + 1 < len(codes) else 0
            values = codes[at + 2 : at + (3 if kind == 5 else 5)]
            at += 2 + (1 if kind == 5 else 3 if kind == 2 else 0)
            if code == 38 and values:
                found.append(_nearest(values) if kind == 2 else _of_palette(values[0]))
            continue
        found.append(code)
        at += 1
    return found


def _of_palette(number: int) -> int:
    if number < 16:
        return 30 + number if number < 8 else 82 + number
    if number > 231:
        return 90 if number < 244 else 39
    number -= 16
    return _nearest([(number // 36) * 51, (number // 6 % 6) * 51, (number % 6) * 51])


def _nearest(values: list[int]) -> int:
    if len(values) < 3:
        return 39
    most = max(values)
    hue = sum(1 << at for at, value in enumerate(values) if most > 60 and value > most * 0.6)
    return {0: 90, 7: 39}.get(hue, 30 + hue)


def spans(line: str) -> list[tuple[tuple[str, ...], str]]:
    """A line as pieces, each with the names of its looks: `bold`, `c1` to `c15`."""
    if "\x1b" not in line:
        return [((), line)]
    found: list[tuple[tuple[str, ...], str]] = []
    looks: dict[str, str] = {}
    at = 0
    for match in _COLOURS.finditer(line):
        if match.start() > at:
            found.append((tuple(sorted(looks.values())), line[at : match.start()]))
        at = match.end()
        for code in _flat([int(each or "0") for each in match.group()[2:-1].split(";")]):
            _look(looks, code)
    if at < len(line):
        found.append((tuple(sorted(looks.values())), line[at:]))
    return found


_STYLES = {1: "bold", 3: "italic", 4: "underlined"}
_ENDS = {22: "bold", 23: "italic", 24: "underlined", 39: "colour"}


def _look(looks: dict[str, str], code: int) -> None:
    if code == 0:
        looks.clear()
    elif code in _STYLES:
        looks[_STYLES[code]] = _STYLES[code]
    elif code in _ENDS:
        looks.pop(_ENDS[code], None)
    elif 30 <= code <= 37:
        looks["colour"] = f"c{code - 30}"
    elif 90 <= code <= 97:
        looks["colour"] = f"c{code - 82}"
