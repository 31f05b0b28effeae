"""Starts and stops a whole Clearway for the demo, and speaks to it over HTTP as anybody would."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from clearway.cli.client import problem_of

READY_S = 60.0
Json = dict[str, Any]


class DemoFailed(Exception):
    """A step of the story did not go as told; the message says which and what was seen."""


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Person:
    """One user's token, and what they do with it."""

    def __init__(self, url: str, token: str, name: str) -> None:
        self.name = name
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30.0)

    def get(self, path: str, **params: Any) -> Any:
        """Read. Raises DemoFailed with the server's own words."""
        return self._answer(self._http.get(path, params=params))

    def post(self, path: str, body: Json | None = None, **params: Any) -> Any:
        """Write, once even if it is sent twice."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        return self._answer(self._http.post(path, json=body or {}, params=params, headers=headers))

    def refused(self, path: str, body: Json) -> str:
        """Try what must not be allowed; returns the refusal. Raises DemoFailed when it was allowed."""
        response = self._http.post(path, json=body, headers={"Idempotency-Key": secrets.token_hex(16)})
        if response.status_code != 403:
            raise DemoFailed(f"{self.name} was not refused at {path}: {_in_words(response)}")
        return str(response.json().get("detail", response.text))

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if "json" in response.headers.get("content-type", "") else response.text
        request = response.request
        raise DemoFailed(f"{request.method} {request.url.path} as {self.name}: {_in_words(response)}")


def _in_words(response: httpx.Response) -> str:
    """What the server answered, for people: never its JSON."""
    if response.is_success:
        return f"status {response.status_code}"
    return f"status {response.status_code}: " + "\n".join(problem_of(response).lines())


def wait_for(what: str, look: Callable[[], Any], timeout_s: float, every_s: float = 0.2) -> Any:
    """Look until something true comes back. Raises DemoFailed that names what was waited for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(every_s)
    raise DemoFailed(f"waited {timeout_s:.0f} s in vain for {what}")


@contextlib.contextmanager
def running(home: Path, keep: bool) -> Iterator[str]:
    """`clearway up` in a folder; stopped with its services at the end unless it is kept."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = (home / "up.log").open("w")
    command = [sys.executable, "-m", "clearway.cli", "up", "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        wait_for("the server to be ready", lambda: _ready(process, url, home), READY_S, 0.05)
        yield url
    except BaseException:
        keep = False
        raise
    finally:
        log.close()
        if not keep:
            _stop(process, home)


def _ready(process: subprocess.Popen[bytes], url: str, home: Path) -> bool:
    if process.poll() is not None:
        raise DemoFailed("the server ended:\n" + (home / "up.log").read_text()[-3000:])
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url + "/healthz", timeout=2.0).status_code == 200
    return False


def _stop(process: subprocess.Popen[bytes], home: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=5)
    subprocess.run(
        [sys.executable, "-m", "clearway.cli", "down", "--all", "--home", str(home)],
        check=False,
        capture_output=True,
        timeout=60,
    )
