"""A whole Clearway to measure: real processes in a folder of their own, asked over HTTP."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether the URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # loopback only
            return bool(response.status == 200)
    except OSError:
        return False


def wait_until(check: Callable[[], Any], seconds: float = 60.0, every: float = 0.01) -> Any:
    """Look until something true comes back; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen := check():
            return seen
        time.sleep(every)
    raise TimeoutError("it did not come true in time")


class Supervised:
    """`clearway up` in a folder and on a port of its own, with everything it starts in one process group."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, without waiting."""
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "clearway.cli", "up", "--home", str(self.home)]
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """`kill -9` of supervisor, server and worker at once; services and the router go on."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def down(self) -> None:
        """End everything that was started, services and router too."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        command = [sys.executable, "-m", "clearway.cli", "down", "--all", "--home", str(self.home)]
        subprocess.run(command, check=False, capture_output=True, timeout=60)

    @property
    def token(self) -> str:
        """The administrator's token."""
        return (self.home / "admin.token").read_text().strip()


class Running(Supervised):
    """A Clearway to measure, and a client with the administrator's token."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._client: httpx.Client | None = None

    def up(self) -> float:
        """Start; the seconds until it answers."""
        began = time.perf_counter()
        self.start()
        wait_until(lambda: answers(self.url + "/healthz"), 120)
        return time.perf_counter() - began

    @property
    def client(self) -> httpx.Client:
        """The administrator."""
        if self._client is None:
            self._client = self.person(self.token)
        return self._client

    def person(self, token: str) -> httpx.Client:
        """A client with a token."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def token_of(self, user: str) -> str:
        """A new token of a user, made with their own password: only such a one approves."""
        first, own = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.client.post(f"/v1/users/{user}/password", json={"password": first}).raise_for_status()
        body = {"name": user, "password": first, "new_password": own, "label": "bench", "expires_in": "1d"}
        return str(self.post("/v1/sign-in", body)["token"])

    def post(self, path: str, body: dict[str, Any], client: httpx.Client | None = None) -> Any:
        """Send; raises RuntimeError with the server's words when it says no."""
        return _read((client or self.client).post(path, json=body))

    def get(self, path: str, **query: Any) -> Any:
        """Ask."""
        return _read(self.client.get(path, params=query))

    def built(self, service: str, ref: str = "") -> Any:
        """A build made once, at its end."""
        asked = {"service": service, "twice": False} | ({"ref": ref} if ref else {})
        made = self.post("/v1/builds", asked)
        path = f"/v1/builds/{made['id']}"

        def ended() -> Any:
            found = self.get(path)
            return found if found["status"] not in ("queued", "running") else None

        build = wait_until(ended, 120)
        if build["status"] != "succeeded":
            raise RuntimeError(f"build of {service}: {build['error']}")
        return build


def _read(answer: httpx.Response) -> Any:
    if answer.status_code >= 400:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.text[:1000]}")
    return answer.json()


@contextlib.contextmanager
def clearway_up(home: Path) -> Iterator[tuple[Running, float]]:
    """A running Clearway and the seconds to its first good answer; all of it ends with the block."""
    running = Running(home)
    try:
        yield running, running.up()
    finally:
        running.down()


def git_repository(folder: Path, files: dict[str, str]) -> Path:
    """A git repository of one commit on main."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    who = ["-c", "user.name=dev", "-c", "user.email=dev@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "feat: first"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder
