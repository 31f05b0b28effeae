"""Detached programs in folders: start once, look, end. They outlive the process that started them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from clearway.kernel import Permanent, Retry

LAUNCHER = Path(__file__).with_name("launcher.py")
START_S = 10.0
POLL_S = 0.02
LOG_LIMIT = 50 * 1024 * 1024


class Program:
    """One folder: `lock` held while it lives, `pid`, `log`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, argv: Sequence[str], variables: Mapping[str, str]) -> None:
        """Start it unless it is alive. Raises Permanent if it cannot be started, Retry if that took long."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cut_log()
        order = {"argv": list(argv), "env": dict(variables), "cwd": str(self.folder)}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(self.folder)],
                input=json.dumps(order).encode(),
                capture_output=True,
                timeout=START_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Retry(f"starting {argv[0]} took more than {START_S:.0f} s") from error
        except OSError as error:
            raise Retry(f"nothing can be started: {error.strerror}", todo="Free memory or disk.") from error
        if done.returncode == 4:
            raise Permanent(f"it cannot be started: {done.stderr.decode(errors='replace')}")
        if done.returncode not in (0, 3):
            raise Retry(f"it was not started: {done.stderr.decode(errors='replace')[-300:]}")

    def alive(self) -> bool:
        """Whether the program, or anything it started, lives."""
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def pid(self) -> int | None:
        """Its process id while it lives."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.folder / "pid").read_text()) if self.alive() else None
        return None

    def stop(self, grace_s: float) -> None:
        """Ask its whole group to end, and kill it after the grace; returns when it is gone."""
        for number, seconds in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            pid = self.pid()
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)
            deadline = time.monotonic() + seconds
            while self.alive() and time.monotonic() < deadline:
                time.sleep(POLL_S)
        if self.alive():
            raise Retry(f"the process group {self.pid()} does not end, not even killed")

    def log_tail(self, lines: int) -> str:
        """The last lines it printed."""
        try:
            with (self.folder / "log").open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - 64 * 1024))
                text = stream.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _cut_log(self) -> None:
        log = self.folder / "log"
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > LOG_LIMIT:
                os.replace(log, self.folder / "log.1")
