"""A log's colours on a terminal: as they are, but nothing that hides text; elsewhere none."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

_COLOURS = re.compile(r"\x1b\[([0-9;]{0,40})m")
_RESET = "\x1b[0m"
# Bold, italic, underlined, and colours of text that can be seen on dark and on bright ground. No hidden
# text, nothing that blinks, no ground, no palettes: whatever was printed can be read.
_SHOWN = frozenset({0, 1, 3, 4, 22, 23, 24, 39, *range(31, 37), *range(90, 97)})


def wanted(stream: TextIO | None = None) -> bool:
    """Whether colours shall be printed: on a terminal, unless NO_COLOR is set."""
    return (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR")


def painted(line: str, colours: bool) -> str:
    """The line for a terminal, whose colours end with it; or without any."""
    if "\x1b" not in line:
        return line
    if not colours:
        return _COLOURS.sub("", line).replace("\x1b", "")
    return _COLOURS.sub(_kept, line) + _RESET


def _kept(match: re.Match[str]) -> str:
    codes = [int(each or "0") for each in match.group(1).split(";")]
    for at, code in enumerate(codes):
        if code in (38, 48):  # what follows is a place in a palette
            del codes[at:]
            break
    kept = [str(code) for code in codes if code in _SHOWN]
    return f"\x1b[{';'.join(kept)}m" if kept else ""
