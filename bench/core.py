"""The figures of the main job."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.figures import Figure, median, spread

COMMAND = "make bench ONLY=core"


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


def wait_until(check: object, seconds: float = 60.0, every: float = 0.01) -> None:
    """Look until it holds; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():  # type: ignore[operator]
            return
        time.sleep(every)
    raise TimeoutError("it did not come true in time")


@contextlib.contextmanager
def clearway_up(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """A running Clearway: its URL, the process of `up`, and the seconds to readiness."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "clearway.cli", "up", "--home", str(home), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(url + "/healthz"))
        yield url, process, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        subprocess.run(
            [sys.executable, "-m", "clearway.cli", "down", "--all", "--home", str(home)],
            check=False,
            capture_output=True,
        )


def bare_server_ready() -> float:
    """Seconds until uvicorn answers with an empty application: the floor under any Python server here."""
    port = free_port()
    program = (
        "import uvicorn\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'http':\n"
        "        await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "        await send({'type': 'http.response.body', 'body': b''})\n"
        f"uvicorn.run(app, port={port}, log_level='critical', lifespan='off')\n"
    )
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"))
        return time.perf_counter() - began
    finally:
        process.kill()
        process.wait()


def family_rss_mb(pid: int) -> float:
    """Resident memory of a process and all below it, in MB."""
    root = psutil.Process(pid)
    return sum(each.memory_info().rss for each in [root, *root.children(recursive=True)]) / 1e6


def ready_s() -> list[Figure]:
    """From `clearway up` to the first good answer, in a new folder and in one that exists."""
    first, again = [], []
    bare = [bare_server_ready() for _ in range(5)]
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            with clearway_up(Path(folder)) as (_, _, seconds):
                first.append(seconds)
            with clearway_up(Path(folder)) as (_, _, seconds):
                again.append(seconds)
    peer = {"peer": "uvicorn, empty application", "peer_value": median(bare), "command": COMMAND}
    return [
        Figure("core.ready_s", median(again), "s", runs=3, spread=spread(again), **peer),
        Figure("core.ready_new_folder_s", median(first), "s", runs=3, spread=spread(first), **peer),
    ]


def idle_rss_mb() -> list[Figure]:
    """Resident memory of supervisor, server, worker and router, ten seconds after start."""
    bare = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with tempfile.TemporaryDirectory() as folder, clearway_up(Path(folder)) as (_, process, _):
            time.sleep(10)
            value = family_rss_mb(process.pid)
        floor = family_rss_mb(bare.pid)
    finally:
        bare.kill()
        bare.wait()
    return [
        Figure("core.idle_rss_mb", value, "MB", "one bare interpreter", floor, command=COMMAND),
    ]


FIGURES = [ready_s, idle_rss_mb]
