"""`clearway up`: starts, restarts, stops; and what happens when it is killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.cli import exits, preflight
from clearway.cli.exits import CliError
from clearway.cli.preflight import check_address
from clearway.integrations.local import Program

# Stands in for server and worker: the one answers /healthz, the other just lives; each notes its id.
CHILD = textwrap.dedent(
    """
    import http.server, json, os, pathlib, signal, sys, time
    name, home, port = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (home / (name + ".pids")).open("a") as out:
        out.write(f"{os.getpid()}\\n")
    if (home / (name + ".broken")).exists():
        print("cannot work: no luck", flush=True)
        sys.exit(7)
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers(); self.wfile.write(b'{"status": "ok"}')
        def log_message(self, *_): pass
    if name == "server":
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()
    time.sleep(600)
    """
)

PROGRAM = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from clearway.cli import main, supervise
    def children(home, host, port):
        return [supervise.Child(name, [sys.executable, str(home / "child.py"), name, str(home), str(port)],
                                home / "logs" / (name + ".log")) for name in ("server", "worker")]
    supervise._children = children
    sys.exit(main(["up", "--home", sys.argv[1], "--port", sys.argv[2], "--json"]))
    """
)


def wait(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


class Up:
    """One `clearway up` in a folder."""

    def __init__(self, home: Path) -> None:
        import socket

        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        home.mkdir(exist_ok=True)
        (home / "child.py").write_text(CHILD)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.home), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def ready(self) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = dict(json.loads(line))
            if event["event"] == "ready":
                return event
        raise AssertionError(self.process.stderr.read() if self.process.stderr else "")

    def pids(self, name: str) -> list[int]:
        with contextlib.suppress(OSError):
            return [int(line) for line in (self.home / f"{name}.pids").read_text().split()]
        return []


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path / "home")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
    if made.process is not None:
        made.process.communicate()
    for name in ("server", "worker"):
        for pid in made.pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_both_and_stops_both(up: Up, number: signal.Signals) -> None:
    """Ready is said when everything is; a signal ends it well, and no child stays."""
    process = up.start()
    event = up.ready()
    assert event["url"] == f"http://127.0.0.1:{up.port}"
    assert up.home.stat().st_mode & 0o077 == 0
    assert json.loads((up.home / "profile.json").read_text())["url"] == event["url"]
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "keep running" in out
    assert not any(alive(pid) for name in ("server", "worker") for pid in up.pids(name))


def test_a_child_that_dies_is_started_again(up: Up) -> None:
    """kill -9 of the worker: a new one runs soon, the server never stopped."""
    up.start()
    up.ready()
    os.kill(wait("the worker", lambda: up.pids("worker"))[0], signal.SIGKILL)
    wait("a second worker", lambda: len(up.pids("worker")) == 2 and alive(up.pids("worker")[1]))
    assert alive(up.pids("server")[0])
    assert len(up.pids("server")) == 1


def test_the_children_die_with_it(up: Up) -> None:
    """kill -9 of `up` itself leaves no server and no worker behind, so that it can be started again."""
    process = up.start()
    up.ready()
    wait("the worker", lambda: up.pids("worker"))
    process.kill()
    process.communicate(timeout=10)
    wait("the children's end", lambda: not alive(up.pids("server")[0]) and not alive(up.pids("worker")[0]))
    up.start()
    up.ready()


def test_a_second_one_is_refused(up: Up) -> None:
    """One folder, one `up`; the first goes on."""
    first = up.start()
    up.ready()
    second = Up(up.home)
    done = second.start()
    _, err = done.communicate(timeout=30)
    assert done.returncode == 4
    assert str(first.pid) in err
    assert first.poll() is None


def test_a_taken_port_is_said_at_once(up: Up) -> None:
    """A stranger who answers healthily there is not taken for our server, and no profile points at it."""
    other = Up(up.home.with_name("other"))
    other.port = up.port
    up.start()
    up.ready()
    done = other.start()
    _, err = done.communicate(timeout=30)
    assert done.returncode == 4
    error = json.loads(err)["error"]
    assert f"port {up.port} is taken" in error["message"]
    assert "--port" in error["todo"]
    assert not (other.home / "profile.json").exists()
    assert other.pids("server") == []


def test_what_never_starts_is_given_up_with_its_last_words(up: Up) -> None:
    """A worker that dies again and again before anything was ready: its log's end, and exit 1."""
    (up.home / "worker.broken").touch()
    (up.home / "server.broken").touch()
    process = up.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no luck" in err
    assert "Traceback" not in err


def test_down_stops_it(up: Up, run: Callable[..., Any]) -> None:
    """`clearway down` ends the `up` of the folder; twice is not an error."""
    process = up.start()
    up.ready()
    assert run("down", "--home", str(up.home), "--json").json["was_up"] is True
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert run("down", "--home", str(up.home), "--json").json["was_up"] is False


def test_down_all_ends_what_was_deployed(run: Callable[..., Any], tmp_path: Path) -> None:
    """Instances outlive Clearway; `down --all` ends them, and twice is not an error."""
    home = tmp_path / "home"
    instance = Program(home / "run" / "instances" / "ins_1")
    instance.start([sys.executable, "-c", "import time; time.sleep(600)"], {"PATH": os.environ["PATH"]})
    assert instance.alive()
    assert run("down", "--home", str(home)).code == 0
    assert instance.alive()
    assert run("down", "--all", "--home", str(home), "--json").json["services_stopped"] is True
    assert not instance.alive()
    assert run("down", "--all", "--home", str(home)).code == 0
    assert run("down", "--all", "--home", str(tmp_path / "nowhere")).code == 0
    assert not (tmp_path / "nowhere").exists()


def test_an_address_of_another_machine_is_a_mistake(tmp_path: Path) -> None:
    """It is said before anything starts."""
    with pytest.raises(CliError) as caught:
        check_address("203.0.113.1", 8800)
    assert caught.value.code == exits.USAGE
    assert "--host" in str(caught.value.todo)


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the traceback of a process that could not write."""
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1024))
    with pytest.raises(CliError, match="the disk is full"):
        preflight.prepare(tmp_path / "home")


@pytest.mark.parametrize("file", ["a file", "nothing below a file/home"])
def test_a_folder_that_cannot_be_is_a_mistake(tmp_path: Path, file: str) -> None:
    """With the folder's name and another choice."""
    (tmp_path / file.partition("/")[0]).touch()
    with pytest.raises(CliError, match="cannot be used") as caught:
        preflight.prepare(tmp_path / file)
    assert caught.value.where == str(tmp_path / file)


def test_the_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root could write there, and would leave its owner with files that are root's."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    monkeypatch.setattr(preflight.os, "getuid", lambda: home.stat().st_uid + 4242)
    with pytest.raises(CliError, match="belongs to") as caught:
        preflight.prepare(home)
    assert caught.value.code == exits.NOT_PERMITTED
    assert list(home.iterdir()) == []
