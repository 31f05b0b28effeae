"""Runs a command with programs beside it. Runs in the sandbox, alone, with nothing but the standard library.

`beside.py SPEC -- ARGV...`: SPEC is a JSON file `{name: {run, kind, ready, within, environment}}`. Each
program is started and waited for; its output comes with its name in front. The exit code is that of the
command; 69 when a program does not get ready.
"""

from __future__ import annotations

import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Any, NoReturn

NOT_READY = 69
_GRACE_S = 5.0


def say(text: str) -> None:
    """A line, whole, whoever else is writing."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def relay(name: str, stream: IO[bytes]) -> None:
    """The program's lines, with its name in front."""
    for line in stream:
        say(f"[{name}] {line.decode(errors='replace').rstrip()}")


def fail(text: str) -> NoReturn:
    """Ends everything with a reason."""
    say(text)
    sys.exit(NOT_READY)


def start(name: str, run: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A program in the background."""
    try:
        process = subprocess.Popen(
            run, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
    except OSError as error:
        fail(f"{name} cannot be started: {run[0]}: {error.strerror}")
    threading.Thread(target=relay, args=(name, process.stdout), daemon=True).start()
    return process


def wait(
    name: str, process: subprocess.Popen[bytes], ready: list[str], within: float, env: dict[str, str]
) -> None:
    """Until the ready command ends well."""
    until = time.monotonic() + within
    while ready:
        if process.poll() is not None:
            fail(f"{name} ended with exit code {process.returncode} before it was ready")
        done = subprocess.run(ready, env=env, capture_output=True, check=False)
        if done.returncode == 0:
            return
        if time.monotonic() > until:
            fail(f"{name} was not ready after {within:g} s: {done.stdout.decode(errors='replace')[-300:]}")
        time.sleep(0.05)


def postgresql(name: str) -> tuple[list[str], list[str], dict[str, str]]:
    """The machine's newest PostgreSQL with an empty database: command, ready command, variables."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda each: float(each.split("/")[-2]))
    if not found:
        fail(f"{name}: this machine has no PostgreSQL in /usr/lib/postgresql; install the package postgresql")
    programs = found[-1]
    folder = tempfile.mkdtemp(prefix=f"{name}-")
    data = f"{folder}/data"
    words = ["-D", data, "-U", "build", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run([f"{programs}/initdb", *words], capture_output=True, check=False)
    if done.returncode:
        fail(f"{name}: initdb: {(done.stderr or done.stdout).decode(errors='replace').strip()[-500:]}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    run = [f"{programs}/postgres", "-D", data, "-k", folder, "-h", "127.0.0.1", "-p", port, "-F"]
    run += ["-c", "log_checkpoints=off", "-c", "log_min_messages=fatal"]
    address = f"postgresql://build@127.0.0.1:{port}/postgres"
    told = {f"{name.upper().replace('-', '_')}_URL": address, "DATABASE_URL": address, "PGUSER": "build"}
    told |= {"PGHOST": "127.0.0.1", "PGPORT": port, "PGDATABASE": "postgres"}
    return run, [f"{programs}/pg_isready", "-q", "-h", "127.0.0.1", "-p", port, "-d", "postgres"], told


def main() -> int:
    """See the module's text."""
    specs: dict[str, Any] = json.loads(open(sys.argv[1], encoding="utf-8").read())  # noqa: SIM115
    argv = sys.argv[3:]
    environment = dict(os.environ)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, spec in specs.items():
            run, ready = spec["run"], spec["ready"]
            told: dict[str, str] = {}
            if spec["kind"] == "postgresql":
                run, ready, told = postgresql(name)
            own = {**environment, **spec["environment"]}
            process = start(name, run, own)
            running.append(process)
            wait(name, process, ready, spec["within"], own)
            for key, value in told.items():
                environment.setdefault(key, value)
        return subprocess.run(argv, env=environment, check=False).returncode
    except FileNotFoundError as error:
        say(f"{argv[0]}: {error.strerror}")
        return 127
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGINT)
        until = time.monotonic() + _GRACE_S
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    code = main()
    sys.exit(code if code >= 0 else 128 - code)
