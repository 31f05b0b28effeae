"""A build's log: one file, readable while it grows, complete up to the last line after any crash.

Rules:
1. Every line reads `step | text`. Colours stay; every other order to a terminal, and every mark that turns
   text round, is taken out. A line that is too long is cut and says so.
2. What was written is in the file when the call returns: nothing is lost with the process.
3. Output is taken in blocks, not in lines: a program that prints as fast as it can is not slowed down by us.
4. The file is bounded: a build that floods it is stopped.
"""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from clearway.kernel import Retry

from .colours import clean, plain
from .model import Flooded

LOG_BYTES = 512 << 20
LINE_BYTES = 16 << 10
TAIL_BYTES = 64 << 10


class Log:
    """Appends to one file; unbuffered, so that nothing is lost with the process."""

    def __init__(self, path: Path, most: int = LOG_BYTES) -> None:
        self.path = path
        self.most = most
        self._one = threading.Lock()  # steps may write side by side
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _full(error) from error
        self._size = os.fstat(self._file).st_size
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # the end of a line that a crash cut

    def close(self) -> None:
        """No more lines."""
        os.close(self._file)

    def say(self, step: str, text: str) -> None:
        """Our own words. Raises Retry when the disk is full, Flooded when the log is."""
        lines = plain(text).splitlines() or [""]
        self.lines(step, b"".join(line.encode(errors="replace") + b"\n" for line in lines))

    def step(self, name: str) -> Step:
        """A writer for the output of one step."""
        return Step(self, name)

    def lines(self, step: str, block: bytes) -> None:
        """Whole lines of a step, each with its end."""
        prefix = f"{step} | ".encode()
        data = prefix + clean(_cut(block)).replace(b"\n", b"\n" + prefix)
        self._append(data[: -len(prefix)])

    def _append(self, data: bytes) -> None:
        with self._one:
            room = self.most - self._size
            if len(data) <= room:
                self._size += len(data)
                self._write(data)
                return
            if room >= 0:
                fits = data[: data.rfind(b"\n", 0, room) + 1]
                self._size = self.most + 1  # said once
                self._write(fits + f"log | stopped: more than {self.most} bytes of log\n".encode())
        raise Flooded(
            f"the build wrote more than {self.most} bytes of log and was stopped",
            todo="Make its commands quieter, or write to a file that is an output.",
        )

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
        self._tail = b""

    @property
    def tail(self) -> bytes:
        """The last 64 KiB without colours, for whoever reads a summary."""
        return plain(self._tail.decode(errors="replace")).encode()

    def write(self, data: bytes) -> None:
        """Some output, cut anywhere."""
        self._tail = (self._tail + data if len(data) < TAIL_BYTES else data)[-TAIL_BYTES:]
        end = data.rfind(b"\n") + 1
        if end:
            block, self._rest = self._rest + data[:end], data[end:]
            self._log.lines(self._name, block)
        else:
            self._rest += data
        if len(self._rest) > LINE_BYTES:
            self.end()

    def end(self) -> None:
        """The output is over; an unfinished line is a line."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._log.lines(self._name, rest + b"\n")


def _cut(block: bytes) -> bytes:
    """The block, in which no line is longer than a line may be."""
    # A longer one fills at least one of these windows.
    window = LINE_BYTES // 2
    if all(block.find(b"\n", at, at + window) >= 0 for at in range(0, len(block) - window, window)):
        return block
    return b"\n".join(
        line if len(line) <= LINE_BYTES else line[:LINE_BYTES] + b" [line cut]" for line in block.split(b"\n")
    )


def _full(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Retry("the disk that holds the builds is full", todo="Free some space, then build again.")
    return error
