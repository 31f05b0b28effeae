"""Starts one program, detached and marked as alive: `python -I -S launcher.py FOLDER`, the order on stdin.

The order is JSON: {"argv": [...], "env": {...}, "cwd": "..."}. It comes by a pipe because the environment
may hold secrets: nothing of it is written. The launcher takes the lock FOLDER/lock and keeps it open across
exec, so the lock is held exactly as long as the program, or anything it started, lives. No pid can be
mistaken for another, and a second start of the same instance finds the lock taken and ends.

Exit codes of the launcher: 0 started, 3 it was alive already, 4 the program cannot be executed, 5 this
machine cannot do it now (a full disk).
"""

import fcntl
import json
import os
import sys
import time

ALIVE, NO_PROGRAM, NOT_NOW = 3, 4, 5
PROBE_S = 1.0  # an observer may hold the lock for an instant


def take_lock(folder: str) -> int:
    """The descriptor that holds the lock; ends the process when the instance is alive."""
    descriptor = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + PROBE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os._exit(ALIVE)
            time.sleep(0.02)


def detach(folder: str, cwd: str) -> None:
    """A session of its own, its pid in a file, its output in the log."""
    os.setsid()
    beside = os.path.join(folder, "pid.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, str(os.getpid()).encode())
    os.close(descriptor)
    os.replace(beside, os.path.join(folder, "pid"))
    log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir(cwd)


def main() -> None:
    """Lock, detach, redirect, exec; reports through a pipe whether the program could be executed."""
    folder = sys.argv[1]
    order = json.load(sys.stdin)
    descriptor = take_lock(folder)
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        refused = os.read(reader, 500)
        if refused:
            sys.stderr.buffer.write(refused)
            sys.stderr.flush()
        os._exit((NOT_NOW if refused.startswith(b"!") else NO_PROGRAM) if refused else 0)
    try:
        detach(folder, order["cwd"])
    except OSError as error:
        os.write(writer, f"! {folder}: {error.strerror}".encode())
        os._exit(NOT_NOW)
    os.set_inheritable(descriptor, True)
    try:
        os.execve(  # noqa: S606 - a list, no shell
            order["argv"][0], order["argv"], order["env"]
        )
    except OSError as error:
        os.write(writer, f"{order['argv'][0]}: {error.strerror}".encode())
        os._exit(NO_PROGRAM)


main()
