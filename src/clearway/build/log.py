"""A build's log: one file, readable while it grows, complete up to the last line after any crash.

Every line reads `step | text`. The file is bounded: a build that floods it is stopped.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from clearway.kernel import Retry

from .model import Flooded

LOG_BYTES = 8 << 20
LINE_BYTES = 16 << 10
# Colours, control characters (C1 too: some terminals obey them) and marks that turn text round.
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class Log:
    """Appends to one file; unbuffered, so that nothing is lost with the process."""

    def __init__(self, path: Path, most: int = LOG_BYTES) -> None:
        self.path = path
        self.most = most
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise _full(error) from error
        self._size = os.fstat(self._file).st_size

    def close(self) -> None:
        """No more lines."""
        os.close(self._file)

    def say(self, step: str, text: str) -> None:
        """Our own words. Raises Retry when the disk is full, Flooded when the log is."""
        for line in text.splitlines() or [""]:
            self._line(step, line.encode())

    def step(self, name: str) -> Step:
        """A writer for the output of one step."""
        return Step(self, name)

    def _line(self, step: str, line: bytes) -> None:
        text = _CONTROL.sub("", line[:LINE_BYTES].decode(errors="replace").replace("\r", ""))
        cut = " [line cut]" if len(line) > LINE_BYTES else ""
        self._append(f"{step} | {text}{cut}\n".encode())

    def _append(self, data: bytes) -> None:
        if self._size + len(data) > self.most:
            if self._size <= self.most:
                note = f"log | stopped: more than {self.most} bytes of log\n".encode()
                self._size += self.most  # said once
                self._write(note)
            raise Flooded(
                f"the build wrote more than {self.most} bytes of log and was stopped",
                todo="Make its commands quieter, or write to a file that is an output.",
            )
        self._size += len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise _full(error) from error


class Step:
    """Turns the bytes that a program writes into lines of the log."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._name = name
        self._rest = b""
        self.tail = b""  # the last 64 KiB, for whoever reads a summary

    def write(self, data: bytes) -> None:
        """Some output, cut anywhere."""
        self.tail = (self.tail + data)[-65536:]
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._log._line(self._name, line)
        if len(self._rest) > LINE_BYTES:
            self.end()

    def end(self) -> None:
        """The output is over; an unfinished line is a line."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._log._line(self._name, rest)


def _full(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Retry("the disk that holds the builds is full", todo="Free some space, then build again.")
    return error
