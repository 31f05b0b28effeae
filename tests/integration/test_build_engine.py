"""The real engine runs builds; kill -9 of the worker loses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from building import Builder, script_service
from repositories import Made
from services import wait_until
from workers import Worker

from clearway import build, ledger
from clearway.build.ports import FakePackages
from clearway.integrations.bubblewrap import make_sandbox

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("sandbox")]
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
    first = Worker(WORKER, str(tmp_path), str(made.root))
    build_id = builder.request()
    wait_until(lambda: "compile 2 | begun" in builder.log(build_id), "the second run", WAIT_S)
    jobs = [each for each in psutil.Process(first.process.pid).children(recursive=True) if each.is_running()]
    assert jobs
    first.kill()
    wait_until(lambda: not [each for each in jobs if _alive(each)], "the job to die with its worker", WAIT_S)
    assert builder.get(build_id).status == "running"
    second = Worker(WORKER, str(tmp_path), str(made.root))
    try:
        wait_until(
            lambda: builder.get(build_id).status not in ("queued", "running"), "the build to end", WAIT_S
        )
        wait_until(
            lambda: os.listdir(builder.workshop.root / build_id) == ["log.txt"],
            "the bench to be gone",
            WAIT_S,
        )
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
