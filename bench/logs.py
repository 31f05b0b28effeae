"""Logs of builds: how fast they are taken, and how soon a line is on the page."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import httpx

from bench.figures import Figure, median, spread
from bench.running import Running

COOKIE = "clearway_session"
COMMAND = "make bench ONLY=build"
MEGABYTES = 300
LINES = 100
_TEXT = "the quick brown fox jumps over the lazy dog, as it always has, and compiles it "
_BLOCK = 4096  # lines
PRINTER = f"""\
import os
text = b"%09d {_TEXT}" + b"\\n"
for start in range(0, {MEGABYTES * 1_000_000 // (len(_TEXT) + 11)}, {_BLOCK}):
    data = b"".join(text % number for number in range(start, start + {_BLOCK}))
    while data:
        data = data[os.write(1, data):]
"""
TELLER = f"""\
import time
for number in range({LINES}):
    print("printed", time.time_ns(), flush=True)
    time.sleep(0.0731)
"""


def definition(code: str) -> str:
    """A build whose one step runs this."""
    step = json.dumps({"name": "print", "run": ["python", "-c", code], "cache": False})
    return f"service: noop\nbuild:\n  recipe: script\n  outputs: [output.txt]\n  steps:\n    - {step}\n"


def mb_per_s(running: Running, service: str) -> list[Figure]:
    """What a step prints as fast as it can, until the step has ended; every line is checked afterwards."""
    found = []
    for _ in range(3):
        build = running.built(service)
        stages = running.get(f"/v1/builds/{build['id']}/stages")["items"]
        seconds = next(each["seconds"] for each in stages if each["name"] == "print")
        found.append(_printed(running, build["id"]) / 1e6 / seconds)
    note = (
        f"{MEGABYTES} MB in lines of {len(_TEXT) + 11} bytes, none lost; sandbox and program start included;"
        " here more is better"
    )
    value = median(found)
    return [Figure("build.log_mb_per_s", value, "MB/s", "goal", 100.0, 3, spread(found), COMMAND, note)]


def _printed(running: Running, identity: str) -> int:
    """The bytes that the step printed; raises RuntimeError when one is lost or changed."""
    prefix = b"print | "
    size = number = 0
    rest = b""
    for data in _stream(running, f"/v1/builds/{identity}/log?download=true"):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(prefix):
                if not line.startswith(b"print | %09d " % number) or not line.endswith(b"compiles it "):
                    raise RuntimeError(f"line {number} of the log is {line[:60]!r}")
                number += 1
                size += len(line) + 1 - len(prefix)
    if size < MEGABYTES * 990_000:
        raise RuntimeError(f"the log has {size} bytes")
    return size


def _stream(running: Running, path: str) -> Iterator[bytes]:
    headers = {"Authorization": f"Bearer {running.token}"}
    with httpx.stream("GET", running.url + path, headers=headers, timeout=120) as answer:
        answer.raise_for_status()
        yield from answer.iter_bytes(1 << 20)


def delay_ms(running: Running, service: str) -> list[Figure]:
    """From a line being printed inside the sandbox until its event is with the page's reader."""
    build = running.post("/v1/builds", {"service": service, "twice": False})
    waited: list[float] = []
    # The page asks with the cookie of a session; a token may stand in it.
    with httpx.stream(
        "GET", f"{running.url}/builds/{build['id']}/log", cookies={COOKIE: running.token}, timeout=120
    ) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            now = time.time_ns()
            if not line.startswith("data: {"):
                continue
            for told in json.loads(line[6:]).get("lines", ()):
                with contextlib.suppress(ValueError, IndexError):
                    waited.append((now - int(told.split("| printed ")[1])) / 1e6)
    if len(waited) != LINES:
        raise RuntimeError(f"{len(waited)} of {LINES} lines came")
    worst = sorted(waited)[-LINES // 20]
    note = f"95 of 100 within {worst:.0f} ms; to the event that the page gets, without its drawing"
    value = median(waited)
    return [Figure("build.log_delay_ms", value, "ms", "goal", 300.0, LINES, spread(waited), COMMAND, note)]
