"""The figures of the main job."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench import builds, ledger, reading, rollouts
from bench.figures import Figure, median, spread
from bench.running import answers, clearway_up, free_port, wait_until

COMMAND = "make bench ONLY=core"
IDLE_S = 10


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


def ready_s() -> list[Figure]:
    """From `clearway up` to the first good answer, in a new folder and in one that exists."""
    first, again = [], []
    bare = [bare_server_ready() for _ in range(5)]
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            with clearway_up(Path(folder)) as (_, seconds):
                first.append(seconds)
            with clearway_up(Path(folder)) as (_, seconds):
                again.append(seconds)
    peer = {"peer": "uvicorn, empty application", "peer_value": median(bare), "command": COMMAND}
    return [
        Figure("core.ready_s", median(again), "s", runs=3, spread=spread(again), **peer),
        Figure("core.ready_new_folder_s", median(first), "s", runs=3, spread=spread(first), **peer),
    ]


def idle() -> list[Figure]:
    """Memory of all processes when nothing happens, and the processor time that they take in doing so."""
    bare = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        with tempfile.TemporaryDirectory() as folder, clearway_up(Path(folder)) as (running, _):
            time.sleep(IDLE_S)
            assert running.process is not None
            root = psutil.Process(running.process.pid)
            family = [root, *root.children(recursive=True)]
            before = _busy_s(family)
            began = time.perf_counter()
            time.sleep(IDLE_S)
            busy = 100 * (_busy_s(family) - before) / (time.perf_counter() - began)
            memory = sum(each.memory_info().rss for each in family) / 1e6
        floor = psutil.Process(bare.pid).memory_info().rss / 1e6
    finally:
        bare.kill()
        bare.wait()
    note = f"{len(family)} processes: supervisor, server, worker and their helpers; nothing deployed"
    return [
        Figure("core.idle_rss_mb", memory, "MB", "one bare interpreter", floor, command=COMMAND, note=note),
        Figure("core.idle_cpu_percent", busy, "% of a core", "one core", 100.0, command=COMMAND),
    ]


def _busy_s(family: list[psutil.Process]) -> float:
    times = (each.cpu_times() for each in family)
    return sum(each.user + each.system for each in times)


FIGURES = [
    ready_s,
    idle,
    builds.build_overhead_ms,
    builds.queue_1000_builds_s,
    rollouts.dispatch_and_resume,
    rollouts.dropped_requests,
    reading.trace_ms,
    reading.overview_ms,
    ledger.append_ratio,
    ledger.verify_100k_s,
]
