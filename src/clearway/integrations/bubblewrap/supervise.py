"""Runs one process to its end: streams its output, keeps its limits, and leaves nothing behind."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Literal

import psutil

from clearway.build.ports import Ended, Limits, Watch, Write
from clearway.kernel import Permanent

LOOK_S = 0.4
DRAIN_S = 1.0
State = Literal["exited", "timeout", "memory", "processes"]


def supervise(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: str | None,
    limits: Limits,
    write: Write,
    watch: Watch,
    end: Callable[[subprocess.Popen[bytes]], None],
    keep_open: Sequence[int] = (),
    umask: int = 0o022,
) -> Ended:
    """Run `argv`, which inherits the descriptors `keep_open`; `end` kills it with all that belongs to it.

    See Sandbox.run for the promises.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=umask,
            pass_fds=keep_open,
        )
    except OSError as error:
        raise Permanent(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        state = _follow(process, began, limits, write, watch)
    finally:
        if process.poll() is None:
            end(process)
        if process.stdout:
            process.stdout.close()
    return Ended(state, process.returncode, time.monotonic() - began)


def _follow(
    process: subprocess.Popen[bytes], began: float, limits: Limits, write: Write, watch: Watch
) -> State:
    assert process.stdout is not None  # noqa: S101 - asked for just above
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        next_look = began + LOOK_S
        while True:
            open_still = _read(ready, process.stdout, write)
            now = time.monotonic()
            if not open_still or process.poll() is not None:
                break
            if now - began > limits.seconds:
                return "timeout"
            if now >= next_look:
                watch()
                if excess := _excess(process.pid, limits):
                    return excess
                next_look = time.monotonic() + LOOK_S
        return _finish(process, began, limits, ready, write, watch)


def _read(ready: selectors.DefaultSelector, stream: IO[bytes], write: Write) -> bool:
    """Pass on what is there, waiting a little; False at the end of the output."""
    if not ready.select(timeout=0.1):
        return True
    data = os.read(stream.fileno(), 65536)
    if data:
        write(data)
    return bool(data)


def _finish(
    process: subprocess.Popen[bytes],
    began: float,
    limits: Limits,
    ready: selectors.DefaultSelector,
    write: Write,
    watch: Watch,
) -> State:
    """Output ended or the process did: wait for the other one."""
    assert process.stdout is not None  # noqa: S101
    while process.poll() is None:  # it closed its output, and goes on
        if time.monotonic() - began > limits.seconds:
            return "timeout"
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            watch()
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until and ready.select(timeout=0):
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        write(data)
    return "exited"


def _excess(pid: int, limits: Limits) -> State | None:
    """Limits over all processes of the job together; one process alone has its own from the kernel."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    if len(found) > limits.processes:
        return "processes"
    memory = 0
    for each in found:
        try:
            memory += each.memory_info().rss
        except psutil.Error:
            continue
    return "memory" if memory > limits.memory_bytes else None
