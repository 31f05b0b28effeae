"""Bells: who commits work for a queue wakes it, in this process and in others."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import make_database

from clearway import workflow
from clearway.storage import Database
from clearway.workflow.bells import BREATH_S, Alarm, Bells

FOR_EVER = 60.0


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    return tmp_path / "worker.bell"


@pytest.fixture
def bells(pipe: Path) -> Iterator[Bells]:
    made = Bells(pipe)
    made.listen(["runs", "builds"])
    yield made
    made.hush()


def heard(bells: Bells, queue: str, seconds: float = 20) -> bool:
    found = bells.of(queue)
    assert found is not None
    return found.wait(seconds)


def test_a_bell_rings_in_its_own_process(bells: Bells) -> None:
    """The queue that was rung for, and no other."""
    bells.ring("builds")
    assert heard(bells, "builds", 0)
    assert not heard(bells, "runs", 0)


def test_a_bell_rings_from_another_process(bells: Bells, pipe: Path) -> None:
    """The server starts flows, the worker runs them; the pipe is nobody else's."""
    program = "import sys; from pathlib import Path; from clearway.workflow.bells import Bells; "
    program += "Bells(Path(sys.argv[1])).ring('runs')"
    subprocess.run([sys.executable, "-c", program, str(pipe)], check=True, timeout=60)
    assert heard(bells, "runs")
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o600


def test_what_is_no_queue_is_not_heard(bells: Bells, pipe: Path) -> None:
    """Nonsense in the pipe disturbs nobody, and the next ring is heard."""
    pipe.write_bytes(b"\xff\xfe\nnothing\n\n")
    Bells(pipe).ring("builds")
    assert heard(bells, "builds")
    assert not heard(bells, "runs", 0)


@pytest.mark.parametrize("what", ["nothing", "a file", "a pipe nobody reads", "a full pipe"])
def test_ringing_never_fails_and_never_waits(pipe: Path, what: str) -> None:
    """A ring is a hint after the commit: whatever is at the other end, the work is queued."""
    held = None
    if what == "a file":
        pipe.write_text("mine")
    elif what != "nothing":
        os.mkfifo(pipe)
        if what == "a full pipe":
            held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(held, b"x" * 4096)
    Bells(pipe).ring("runs")
    Bells(None).ring("runs")
    assert what != "a file" or pipe.read_text() == "mine"
    if held is not None:
        os.close(held)


def test_what_is_no_pipe_is_left_alone(pipe: Path) -> None:
    """Somebody put a file there: looking now and then is enough, and its bells still ring in this process."""
    pipe.write_text("mine")
    bells = Bells(pipe)
    bells.listen(["runs"])
    bells.ring("runs")
    assert heard(bells, "runs", 0)
    bells.hush()
    assert pipe.read_text() == "mine"


def test_an_alarm_ends_a_wait_and_tells_a_stop(bells: Bells) -> None:
    """A ring ends it once; so does its time; only a stop is a stop."""
    stop = threading.Event()
    alarm = Alarm(stop, bells, "runs")
    bells.ring("runs")
    assert alarm.wait(FOR_EVER) is False
    assert alarm.wait(2 * BREATH_S) is False
    unheard = Alarm(stop, bells, "nobody's")
    assert unheard.wait(BREATH_S) is False
    stop.set()
    assert (alarm.is_set(), alarm.wait(FOR_EVER), unheard.wait(FOR_EVER)) == (True, True, True)


def test_a_hush_lets_everybody_go(bells: Bells) -> None:
    """A worker that ends does not wait for its next look."""
    alarm, done = Alarm(threading.Event(), bells, "runs"), threading.Event()
    waiting = threading.Thread(target=lambda: (alarm.wait(FOR_EVER), done.set()), daemon=True)
    waiting.start()
    bells.hush()
    assert done.wait(20)
    assert bells.of("runs") is None


@pytest.mark.integration
def test_the_engine_looks_when_it_is_rung_and_when_there_is_room(
    tmp_path: Path, pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With looks a minute apart: flows still start at once, as many as fit, the next when one has ended."""
    monkeypatch.setattr("clearway.workflow.engine.RARELY_S", FOR_EVER)
    begun: dict[str, threading.Event] = {str(number): threading.Event() for number in range(5)}
    go, running, most = threading.Event(), set[str](), []

    def function(database: Database, run: workflow.Run) -> None:
        running.add(run.key)
        most.append(len(running))
        begun[run.key].set()
        go.wait(20)
        running.discard(run.key)

    flows = {"demo.hold": workflow.Flow(function, queue="builds")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC))
    workflow.migrate(database)
    inside = database.tools[workflow.Starter] = workflow.Starter(database, workflow.queue_table(flows), pipe)
    outside = workflow.Starter(database, workflow.queue_table(flows), pipe)  # as the server's
    engine = workflow.Engine(database, flows, [], "test")
    engine.launch()
    try:
        for number, starter in enumerate((inside, outside, inside, outside, inside)):
            with database.begin() as uow:
                starter.enqueue(uow, "demo.hold", str(number), {})
        assert begun["0"].wait(20)
        assert begun["1"].wait(20)
        assert not begun["2"].is_set()
        go.set()
        assert all(each.wait(20) for each in begun.values())
        assert max(most) <= 2
    finally:
        engine.drain(2)
        database.dispose()
