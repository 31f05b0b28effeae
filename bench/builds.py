"""What Clearway adds to a build, one at a time and a thousand queued, against the bare commands.

The build has three steps that do nothing. Everything else is what Clearway promises for it: fetch the
commit, three sandboxes, the log, one artifact kept by digest, signed provenance and SBOM, ledger entries.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from bench.figures import Figure, median, spread, timed
from bench.running import Running, clearway_up, git_repository, wait_until

COMMAND = "make bench ONLY=core"
QUEUED = int(os.environ.get("QUEUED", "1000"))
LANES = 2  # builds that a worker runs at once
DEFINITION = """\
service: noop
build:
  recipe: script
  steps:
    - {name: one, run: ["true"], cache: false}
    - {name: two, run: ["true"], cache: false}
    - {name: three, run: ["true"], cache: false}
  outputs: [output.txt]
"""
PLATFORM = """\
{{kind: Team, name: makers}}
---
{{kind: Environment, name: prod, type: production, order: 1, strategy: {{kind: recreate}}}}
---
{{kind: Route, name: straight, environments: [prod]}}
---
{{kind: Service, name: noop, team: makers, repository: {repository}, route: straight}}
"""


@contextlib.contextmanager
def noop_service() -> Iterator[Running]:
    """A Clearway that knows a service whose build does nothing, three times."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"clearway.yaml": DEFINITION, "output.txt": "made before\n"}
        repository = git_repository(Path(folder) / "noop", files)
        with clearway_up(Path(folder) / "home") as (running, _):
            running.post("/v1/apply", {"files": {"p.yaml": PLATFORM.format(repository=repository)}})
            yield running


def bare(_: object = None) -> None:
    """The three commands, as a shell script would run them."""
    for _step in range(3):
        subprocess.run(["true"], check=True)


def build_overhead_ms() -> list[Figure]:
    """From the request to the end of a build of three steps, less the bare commands."""
    with noop_service() as running:
        running.built("noop")  # the first one clones
        whole, waited, alone = [], [], []
        for _ in range(10):
            alone.append(1000 * timed(bare))
            began = time.perf_counter()
            build = running.built("noop")
            whole.append(1000 * (time.perf_counter() - began))
            started, queued = (datetime.fromisoformat(build[at]) for at in ("started_at", "queued_at"))
            waited.append(1000 * (started - queued).total_seconds())
    over = [one - other for one, other in zip(whole, alone, strict=True)]
    note = f"in {build['mode']}, built once; of it {median(waited):.0f} ms from request to start"
    return [
        Figure(
            "core.build_overhead_ms",
            median(over),
            "ms",
            "the three bare commands",
            median(alone),
            10,
            spread(over),
            COMMAND,
            note,
        )
    ]


def queued_s() -> tuple[float, int]:
    """Seconds from the first of a thousand requests to the end of the last build, and how many failed."""
    with noop_service() as running:
        running.built("noop")
        began = time.perf_counter()
        for _ in range(QUEUED):
            running.post("/v1/builds", {"service": "noop", "twice": False})
        wait_until(lambda: not _open(running), 3600, every=0.5)
        seconds = time.perf_counter() - began
        return seconds, len(running.get("/v1/builds", status="failed", limit=100)["items"])


def queue_1000_builds_s() -> list[Figure]:
    """A thousand builds against the same commands by a shell."""
    seconds, failed = queued_s()
    with ThreadPoolExecutor(LANES) as pool:
        plain = timed(lambda: list(pool.map(bare, range(QUEUED))))
    note = f"{QUEUED} builds, {failed} failed; {LANES} at once, as the bare ones"
    if seconds > 240:
        note += "; longer than four minutes"
    name = "core.queue_1000_builds_s"
    peer = f"the same {3 * QUEUED} bare commands"
    return [Figure(name, seconds, "s", peer, plain, 1, "", COMMAND, note)]


def _open(running: Running) -> bool:
    pages = (running.get("/v1/builds", status=status, limit=1) for status in ("queued", "running"))
    return any(page["items"] for page in pages)
