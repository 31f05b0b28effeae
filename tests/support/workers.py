"""A worker as a process of its own, which a test kills."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

SUPPORT = Path(__file__).parent


class Worker:
    """Runs a program's text with this folder as its first argument; ready when it prints `ready`."""

    def __init__(self, program: str, *arguments: str) -> None:
        words = [sys.executable, "-c", program, str(SUPPORT), *arguments]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """As the machine does when memory is short."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
