"""The real engine runs builds; kill -9 of the worker loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from building import Builder, script_service
from repositories import Made

from clearway import build, ledger
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("sandbox")]
SUPPORT = Path(__file__).parents[1] / "support"
WAIT_S = 60

WORKER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from building import Builder
from clearway import build, workflow
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox
folder = Path(sys.argv[2])
builder = Builder(folder, sys.argv[3], make_sandbox(), FakePackages(folder / "p"), fresh=False)
engine = workflow.Engine(builder.database, build.FLOWS, [], "worker")
engine.launch()
print("ready", flush=True)
time.sleep(600)
"""


class Worker:
    """A worker process that can be killed."""

    def __init__(self, folder: Path, repository: str) -> None:
        words = [sys.executable, "-c", WORKER, str(SUPPORT), str(folder), repository]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """As the machine does when memory is short."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(what: str, check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for {what}"
        time.sleep(0.05)


def test_a_killed_worker_s_build_goes_on_and_its_job_is_gone(tmp_path: Path) -> None:
    """Killed inside the second run: the first is not repeated, the second is, and it ends as one build."""
    from clearway import workflow

    made = Made(tmp_path / "repository")
    script_service(
        made,
        "  - {name: compile, run: [sh, -c, 'echo begun; sleep ${PAUSE}; cp in.txt out.txt'], timeout: 5m}\n",
        files={"in.txt": "same"},
        extra="  environment: {PAUSE: '1.5'}\n",
    )
    builder = Builder(tmp_path, str(made.root), make_sandbox(), FakePackages(tmp_path / "p"))
    workflow.migrate(builder.database)
    builder.database.tools[workflow.Starter] = workflow.Starter(
        builder.database, workflow.queue_table(build.FLOWS)
    )
    first = Worker(tmp_path, str(made.root))
    build_id = builder.request()
    until("the second run", lambda: "compile 2 | begun" in builder.log(build_id))
    jobs = [each for each in psutil.Process(first.process.pid).children(recursive=True) if each.is_running()]
    assert jobs
    first.kill()
    until("the job to die with its worker", lambda: not [each for each in jobs if _alive(each)])
    assert builder.get(build_id).status == "running"
    second = Worker(tmp_path, str(made.root))
    try:
        until("the build to end", lambda: builder.get(build_id).status not in ("queued", "running"))
        until("the bench to be gone", lambda: os.listdir(builder.workshop.root / build_id) == ["log.txt"])
    finally:
        second.kill()
    done = builder.get(build_id)
    assert (done.status, done.reproduced, done.error) == ("succeeded", True, None)
    log = builder.log(build_id)
    assert (log.count("compile 1 | begun"), log.count("compile 2 | begun")) == (1, 2)
    with builder.database.read() as uow:
        told = [entry.action for entry in ledger.entries(uow, subject=f"build:{build_id}").items]
    assert told == ["build.requested", "build.succeeded"]


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
