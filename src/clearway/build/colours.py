"""What of a program's output is kept: its text and its colours, and nothing that a terminal obeys. Pure."""

from __future__ import annotations

import re

# Control characters but for tab, line feed and escape.
_BARE = bytes({*range(9), *range(11, 27), *range(28, 32), 127})
_COLOUR = r"\x1b\[[0-9;]{0,40}m"
_ORDER = re.compile(rb"\x1b(?!\[[0-9;]{0,40}m)(?:\[[0-9;:<=>?]*[ -/]*[@-~])?")
# In UTF-8: the second set of control characters, which some terminals obey; marks that turn text round; and
# those at which some readers end a line.
_MARKS = re.compile(rb"\xc2[\x80-\x9f]|\xd8\x9c|\xe2(?:\x80[\x8e\x8f\xa8-\xae]|\x81[\xa6-\xa9])")
_COLOURS = re.compile(_COLOUR)


def clean(block: bytes) -> bytes:
    """The block without what a terminal would obey, but for its colours; always UTF-8."""
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            block = block.decode(errors="replace").encode()
        block = _MARKS.sub(b"", block)
    block = block.translate(None, _BARE)
    return _ORDER.sub(b"", block) if b"\x1b" in block else block


def plain(text: str) -> str:
    """The text without its colours."""
    return _COLOURS.sub("", text) if "\x1b" in text else text
