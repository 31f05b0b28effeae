"""`clearway up`: keeps a server, a worker and a signer running until it is told to stop.

Rules:
1. One `up` for each folder; a second one is refused.
2. A child that dies is started again, a little later each time, unless it never became ready.
3. The children die with `up`, also when it is killed; services and the router are detached, and stay.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

from . import profile
from .exits import FAILED, REFUSED, CliError
from .preflight import check_address, prepare

READY_S = 90.0
STOP_S = 15.0
LOOK_EVERY_S = 0.1
MAX_LOG = 20 * 1024 * 1024
_GIVE_UP = 5  # deaths in a row before it was ever ready
_LONGEST_PAUSE_S = 15.0
_PR_SET_PDEATHSIG = 1

Say = Callable[[dict[str, Any], str], None]


class Child:
    """One process, started again when it dies."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self._started = 0.0
        self._due = 0.0

    def start(self) -> None:
        """Start it; its output goes to its log."""
        if self.log.exists() and self.log.stat().st_size > MAX_LOG:
            os.replace(self.log, self.log.with_suffix(".log.1"))
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self._started = time.monotonic()

    def look(self) -> str | None:
        """Start it again when it is due; what happened, if anything did."""
        if self.process is None:
            if time.monotonic() >= self._due:
                self.start()
                return f"{self.name} is started again"
            return None
        code = self.process.poll()
        if code is None:
            return None
        lived = time.monotonic() - self._started
        self.deaths = 1 if lived > 60 else self.deaths + 1
        pause = min(0.5 * 2 ** (self.deaths - 1), _LONGEST_PAUSE_S)
        self.process, self._due = None, time.monotonic() + pause
        return f"{self.name} ended (code {code}); again in {pause:g} s; see {self.log}"

    def last_words(self, count: int = 12) -> tuple[str, ...]:
        """The end of its log."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return tuple(line[:300] for line in lines[-count:])
        return ()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self, deadline: float) -> None:
        """Wait for its end until then; after that, kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def up(home: Path, host: str, port: int, say: Say) -> int:
    """Run until SIGINT or SIGTERM. Raises CliError when it cannot start."""
    prepare(home)
    with _alone(home):
        check_address(host, port)
        stopping = _on_signals()
        children = _children(home, host, port)
        url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{port}"  # noqa: S104
        profile.save(home, {"url": url, "token_file": "admin.token"})
        try:
            for child in children:
                child.start()
            began = time.monotonic()
            if not _wait_until_ready(children, url, stopping, say):
                return 0
            _announce(home, url, time.monotonic() - began, say)
            while not stopping():
                for child in children:
                    if news := child.look():
                        say({"event": "child", "message": news}, news)
                time.sleep(LOOK_EVERY_S)
        finally:
            _stop(children)
        text = "stopped; services and the router keep running (clearway down --all stops them too)"
        say({"event": "stopped", "message": text}, text)
    return 0


@contextmanager
def _alone(home: Path) -> Iterator[IO[str]]:
    with (home / "up.lock").open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            raise CliError(
                f"Clearway is up in this folder already (process {held.read().strip() or 'unknown'})",
                REFUSED,
                where=str(home),
                todo="Stop it with `clearway down`, or choose another folder with --home.",
            ) from None
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        yield held


def _on_signals() -> Callable[[], bool]:
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return lambda: bool(asked)


def _children(home: Path, host: str, port: int) -> list[Child]:
    base = [sys.executable, "-m", "clearway.wiring"]
    server = [*base, "server", "--home", str(home), "--host", host, "--port", str(port)]
    worker = [*base, "worker", "--home", str(home)]
    signer = [*base, "signer", "--home", str(home)]
    return [
        Child("server", server, home / "logs" / "server.log"),
        Child("worker", worker, home / "logs" / "worker.log"),
        Child("signer", signer, home / "logs" / "signer.log"),
    ]


def _wait_until_ready(children: list[Child], url: str, stopping: Callable[[], bool], say: Say) -> bool:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if stopping():
            return False
        if health(url).get("status") == "ok":
            return True
        for child in children:
            if news := child.look():
                say({"event": "child", "message": news}, news)
            if child.deaths >= _GIVE_UP:
                raise CliError(
                    f"the {child.name} does not start",
                    FAILED,
                    where=str(child.log),
                    todo="Read its log, or ask `clearway doctor`.",
                    more=child.last_words(),
                )
        time.sleep(LOOK_EVERY_S / 2)
    raise CliError(
        f"not ready after {READY_S:g} s: {json.dumps(health(url))}",
        FAILED,
        where=url,
        todo=f"Read the logs in {children[0].log.parent}.",
    )


def health(url: str) -> dict[str, Any]:
    """What /healthz says; empty when nothing answers."""
    try:
        with urllib.request.urlopen(url + "/healthz", timeout=5) as answer:  # noqa: S310 - our own address
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        try:
            found = json.load(error)
        except ValueError:
            found = {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _announce(home: Path, url: str, seconds: float, say: Say) -> None:
    token = home / "admin.token"
    text = (
        f"Clearway is ready at {url} after {seconds:.1f} s\n"
        f"  sign in as admin with the token in {token}\n"
        f"  commands find it by themselves{_hint(home)}; Ctrl-C stops the server and leaves services running"
    )
    say({"event": "ready", "url": url, "home": str(home), "token_file": str(token)}, text)


def _hint(home: Path) -> str:
    return "" if home == profile.home_folder(None) else f" with CLEARWAY_HOME={home}"


def _stop(children: list[Child]) -> None:
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + STOP_S
    for child in children:
        child.stop(deadline)


def down(home: Path) -> bool:
    """Stop the `up` of a folder; whether there was one."""
    file = home / "up.lock"
    try:
        held = file.open("r+")
    except FileNotFoundError:
        return False
    with held:
        if _free(held):
            return False
        number = held.read().strip()
        if not number.isdigit():
            raise CliError("the running process is not known", FAILED, where=str(file))
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGTERM)
        deadline = time.monotonic() + STOP_S + 10
        while time.monotonic() < deadline:
            if _free(held):
                return True
            time.sleep(LOOK_EVERY_S)
    raise CliError(f"process {number} does not stop", FAILED, where=str(home))


def _free(held: IO[str]) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(held, fcntl.LOCK_UN)
    return True
