"""Runs one process to its end: streams its output, keeps its limits, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

import psutil

from clearway.build.ports import Ended, Limits, Watch, Write
from clearway.kernel import Permanent

from .disk import Meter
from .group import limited

LOOK_S = 0.4
OWN = 64  # processes and threads of ours that stand between us and a job
DRAIN_S = 1.0
State = Literal["exited", "timeout", "memory", "processes", "disk"]


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
    writes: Sequence[Path] = (),
    own_processes: bool = False,
) -> Ended:
    """Run `argv`, which inherits the descriptors `keep_open`; `end` kills it with all that belongs to it.

    What it puts into the folders `writes` counts for its limit of disk. With `own_processes`, only those that
    live in another namespace than ours count. See Sandbox.run for the promises.
    """
    with limited(limits.processes + OWN) as before:
        began = time.monotonic()
        meter = Meter(writes, limits)
        try:
            process = subprocess.Popen(
                [*before, *argv],
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
            state = _follow(process, _Looks(process, began, limits, meter, watch, own_processes), write)
        finally:
            if process.poll() is None:
                end(process)
            if process.stdout:
                process.stdout.close()
        if state == "exited" and meter.exceeded(last=True):
            state = "disk"
        return Ended(state, process.returncode, time.monotonic() - began)


class _Looks:
    """Looks now and then whether the job may go on; also when it says nothing, or has closed its output."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        began: float,
        limits: Limits,
        meter: Meter,
        watch: Watch,
        own: bool,
    ) -> None:
        self._pid, self._began, self._own = process.pid, began, own
        self._limits, self._meter, self._watch = limits, meter, watch
        self._next = began + LOOK_S

    def excess(self) -> State | None:
        """The limit that is passed; None when it may go on."""
        now = time.monotonic()
        if now - self._began > self._limits.seconds:
            return "timeout"
        if now < self._next:
            return None
        self._watch()
        found = _excess(self._pid, self._limits, self._own) or ("disk" if self._meter.exceeded() else None)
        self._next = time.monotonic() + LOOK_S
        return found


def _follow(process: subprocess.Popen[bytes], looks: _Looks, write: Write) -> State:
    assert process.stdout is not None  # noqa: S101 - asked for just above
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while _read(ready, process.stdout, write) and process.poll() is None:
            if excess := looks.excess():
                return excess
        return _finish(process, looks, ready, write)


def _read(ready: selectors.DefaultSelector, stream: IO[bytes], write: Write) -> bool:
    """Pass on what is there, waiting a little; False at the end of the output."""
    if not ready.select(timeout=0.1):
        return True
    data = os.read(stream.fileno(), 65536)
    if data:
        write(data)
    return bool(data)


def _finish(
    process: subprocess.Popen[bytes], looks: _Looks, ready: selectors.DefaultSelector, write: Write
) -> State:
    """Output ended or the process did: wait for the other one."""
    assert process.stdout is not None  # noqa: S101
    while process.poll() is None:  # it closed its output, and goes on
        if excess := looks.excess():
            return excess
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until and ready.select(timeout=0):
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            break
        write(data)
    return "exited"


def _excess(pid: int, limits: Limits, own: bool) -> State | None:
    """Limits over all processes of the job together; one process alone has its own from the kernel."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    if own:
        found = [each for each in found if _namespace(each.pid) not in (None, _namespace("self"))]
    if len(found) > limits.processes:
        return "processes"
    memory = 0
    for each in found:
        try:
            memory += each.memory_info().rss
        except psutil.Error:
            continue
    return "memory" if memory > limits.memory_bytes else None


def _namespace(pid: int | str) -> str | None:
    """The namespace of processes that one lives in; None when it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None
