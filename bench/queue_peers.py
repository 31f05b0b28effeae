"""Buildbot and Prefect beside the queue: the same three commands, each in an environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.running import answers, free_port, wait_until

VENVS = os.environ.get("BENCH_VENVS", "")  # a folder with `buildbot` and `prefect`, made before
BUILDBOT = ("buildbot==4.3.0", "buildbot-worker==4.3.0", "setuptools<80")
PREFECT = ("prefect==3.8.8", "fastapi==0.139.0")  # newer ones of FastAPI have lost an argument that it uses
LONGEST_S = 3600.0

MASTER = """
from twisted.internet import defer, reactor
from buildbot.plugins import steps, util, worker
from buildbot.schedulers.base import BaseScheduler
import os

class Burst(BaseScheduler):
    # Asks for all builds from inside, which is cheaper for Buildbot than requests over a network.
    @defer.inlineCallbacks
    def activate(self):
        yield super().activate()
        reactor.callLater(0.2, self.look)

    @defer.inlineCallbacks
    def look(self):
        if not os.path.exists({go!r}):
            reactor.callLater(0.05, self.look)
            return
        for nth in range({count}):
            yield self.addBuildsetForSourceStamps(
                sourcestamps=[dict(codebase="", repository="", project="", branch=None, revision=str(nth))],
                reason="bench", waited_for=False)

factory = util.BuildFactory([steps.ShellCommand(command=["true"], name=name) for name in ("a", "b", "c")])
BuildmasterConfig = c = dict(
    workers=[worker.Worker(f"w{{each}}", "secret", max_builds=1) for each in range({lanes})],
    protocols=dict(pb=dict(port="tcp:{port}:interface=127.0.0.1")),
    builders=[
        util.BuilderConfig(
            name="noop",
            workernames=[f"w{{each}}" for each in range({lanes})],
            factory=factory,
            collapseRequests=False,
        )
    ],
    schedulers=[Burst(name="burst", builderNames=["noop"])],
    db=dict(db_url="sqlite:///state.sqlite"),
    buildbotNetUsageData=None, buildbotURL="http://127.0.0.1:1/", title="bench", titleURL="",
)
"""

FLOW = """
import subprocess
from prefect import flow, task

@task
def step(number):
    subprocess.run(["true"], check=True)

@flow(log_prints=False)
def noop(number: int = 0):
    for each in range(3):
        step(each)

if __name__ == "__main__":
    noop.serve(name="queue", limit={lanes}, pause_on_shutdown=False)
"""

ASK = """
import asyncio, sys, time
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

async def main(count):
    async with get_client() as client:
        found = await client.read_deployment_by_name("noop/queue")
        began = time.perf_counter()
        for number in range(count):
            await client.create_flow_run_from_deployment(found.id, parameters=dict(number=number))
        while True:
            states = dict(state=dict(type=dict(any_=["COMPLETED", "FAILED", "CRASHED"])))
            ended = await client.count_flow_runs(flow_run_filter=FlowRunFilter.model_validate(states))
            if ended >= count:
                break
            await asyncio.sleep(0.5)
        print(time.perf_counter() - began)

asyncio.run(main(int(sys.argv[1])))
"""


@contextlib.contextmanager
def environment(name: str, requirements: tuple[str, ...]) -> Iterator[Path]:
    """A virtual environment with the peer; kept where BENCH_VENVS says so."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(VENVS or folder) / name
        if not (place / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            subprocess.run([str(place / "bin/pip"), "install", "--quiet", *requirements], check=True)
            (place / "ready").touch()
        yield place / "bin"


@contextlib.contextmanager
def running(words: list[str], folder: Path, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """A program in its own group, ended with everything that it started."""
    with (folder / "out.log").open("ab") as log:
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(more or {})},
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def buildbot_s(count: int, lanes: int) -> float:
    """Seconds from the first request to the end of the last build: a master and one worker, SQLite."""
    with environment("buildbot", BUILDBOT) as tools, tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        subprocess.run([tools / "buildbot", "create-master", "-q", "m"], cwd=folder, check=True)
        go = folder / "go"
        master = folder / "m"
        (master / "master.cfg").write_text(MASTER.format(go=str(go), count=count, lanes=lanes, port=port))
        daemon = ["start", "--nodaemon"]
        with contextlib.ExitStack() as stack:
            stack.enter_context(running([str(tools / "buildbot"), *daemon], master))
            for each in range(lanes):  # a worker has one build of a builder at a time
                create = ["create-worker", f"w{each}", f"127.0.0.1:{port}", f"w{each}", "secret"]
                words = [str(tools / "buildbot-worker")]
                subprocess.run([*words, *create], cwd=folder, check=True, capture_output=True)
                stack.enter_context(running([*words, *daemon], folder / f"w{each}"))
            wait_until(lambda: _log(master / "twistd.log").count("attached") >= lanes, 120, every=0.2)
            began = time.perf_counter()
            go.touch()
            wait_until(lambda: _built(master / "state.sqlite") >= count, LONGEST_S, every=0.5)
            return time.perf_counter() - began


def _log(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""


def _built(file: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as found:
            row = found.execute("select count(*) from builds where complete_at is not null").fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(row[0])


def prefect_s(count: int, lanes: int) -> float:
    """The same of a server, SQLite, and one runner that starts a process for each run, as it does."""
    with environment("prefect", PREFECT) as tools, tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        (folder / "flow.py").write_text(FLOW.format(lanes=lanes))
        (folder / "ask.py").write_text(ASK)
        variables = {
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "DO_NOT_TRACK": "1",
        }
        server = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with running([str(tools / "prefect"), *server], folder, variables):
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/api/health"), 180, every=0.5)
            with running([str(tools / "python"), "flow.py"], folder, variables):
                asked = [str(tools / "python"), "ask.py", str(count)]
                for _ in range(60):
                    done = subprocess.run(
                        asked,
                        cwd=folder,
                        env={**os.environ, **variables},
                        capture_output=True,
                        text=True,
                        timeout=LONGEST_S,
                        check=False,
                    )
                    if done.returncode == 0:
                        return float(done.stdout.split()[-1])
                    time.sleep(1)  # the runner has not told the server of its flow yet
                raise RuntimeError(done.stderr[-300:])
