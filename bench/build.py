"""What builds cost: a step, a whole build, one that is answered by an earlier one."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import logs, queue
from bench.builds import PLATFORM
from bench.figures import Figure, median, spread, timed
from bench.running import Running, clearway_up, git_repository, wait_until

COMMAND = "make bench ONLY=build"
TEN = 10
EXAMPLE = Path(__file__).parent.parent / "examples" / "shop"


def definition(steps: int, *, cache: bool) -> str:
    """A build of so many steps that do nothing, one after the other."""
    rows = "".join(
        f"    - {{name: step-{number}, run: ['true'], cache: {str(cache).lower()}}}\n"
        for number in range(steps)
    )
    return f"service: noop\nbuild:\n  recipe: script\n  outputs: [output.txt]\n  steps:\n{rows}"


@contextlib.contextmanager
def serving(sandbox: str, **services: str) -> Iterator[Running]:
    """A Clearway with this kind of sandbox that knows these services, each with its clearway.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "clearway.toml").write_text(f'sandbox = "{sandbox}"\n')
        with clearway_up(home) as (running, _):
            for number, (name, text) in enumerate(services.items()):
                files = {"clearway.yaml": text.replace("noop", name), "output.txt": "made before\n"}
                repository = git_repository(Path(folder) / name, files)
                platform = PLATFORM.format(repository=repository).replace("name: noop", f"name: {name}")
                if number:
                    platform = platform.rpartition("---")[2]
                running.post("/v1/apply", {"files": {"p.yaml": platform}})
            yield running


def built(running: Running, service: str, *, twice: bool) -> float:
    """Seconds from the request to the end, as seen by who asked."""
    began = time.perf_counter()
    build = running.post("/v1/builds", {"service": service, "twice": twice})
    while (found := running.get(f"/v1/builds/{build['id']}"))["status"] in ("queued", "running"):
        time.sleep(0.002)
    if found["status"] != "succeeded":
        raise RuntimeError(found["error"])
    return time.perf_counter() - began


def step_ms() -> list[Figure]:
    """A step more: builds of eleven steps against builds of one, less the bare commands."""
    found = []
    for sandbox, name in (("bubblewrap", "build.sandbox_step_ms"), ("plain", "build.plain_step_ms")):
        texts = {"one": definition(1, cache=False), "eleven": definition(TEN + 1, cache=False)}
        added, alone = [], []
        with serving(sandbox, **texts) as running:
            for service in texts:
                built(running, service, twice=False)  # the first one clones
            for _ in range(10):
                alone.append(1000 * timed(lambda: subprocess.run(["true"], check=True)))
                few, many = (built(running, service, twice=False) for service in texts)
                added.append(1000 * (many - few) / TEN - alone[-1])
        note = f"(a build of {TEN + 1} steps less one of 1) / {TEN}, less the bare command"
        value, bare = median(added), median(alone)
        found.append(Figure(name, value, "ms", "the bare command", bare, 10, spread(added), COMMAND, note))
    return found


def cached_10_steps_ms() -> list[Figure]:
    """A build of ten steps that changed nothing: every step is answered by the one before."""
    with serving("auto", ten=definition(TEN, cache=True)) as running:
        cold = [1000 * built(running, "ten", twice=True)]
        again = [1000 * built(running, "ten", twice=True) for _ in range(15)]
    note = (
        f"from the request to its end, with fetch, evidence and ledger; the first one took {cold[0]:.0f} ms"
    )
    value = median(again)
    return [Figure("build.cached_10_steps_ms", value, "ms", "limit", 300.0, 15, spread(again), COMMAND, note)]


def logs_of_builds() -> list[Figure]:
    """How fast a log is taken, and how soon a line is on the page."""
    with serving("auto", quick=logs.definition(logs.PRINTER), slow=logs.definition(logs.TELLER)) as running:
        return [*logs.delay_ms(running, "slow"), *logs.mb_per_s(running, "quick")]


def reproduce_s() -> list[Figure]:
    """The example, built again from its record with everything otherwise, from the request to the verdict."""
    files = {
        str(path.relative_to(EXAMPLE)): path.read_text()
        for path in sorted(EXAMPLE.rglob("*"))
        if path.suffix in (".py", ".toml", ".yaml") and "history" not in path.parts
    }
    once, again = [], []
    with serving("auto") as running, tempfile.TemporaryDirectory() as folder:
        repository = git_repository(Path(folder) / "shop", files)
        platform = PLATFORM.format(repository=repository).replace("name: noop", "name: shop")
        running.post("/v1/apply", {"files": {"p.yaml": platform}})
        built(running, "shop", twice=False)  # the first one clones, and fetches the packages
        for _ in range(5):
            build = running.post("/v1/builds", {"service": "shop", "twice": False})
            wait_until(lambda build=build: _ended(running, f"/v1/builds/{build['id']}"), 300)
            one = running.post(f"/v1/builds/{build['id']}/again", {"anew": "*"})
            began = time.perf_counter()
            wait_until(lambda one=one: _ended(running, f"/v1/builds/{one['id']}"), 300)
            once.append(time.perf_counter() - began)
            began = time.perf_counter()
            asked = running.post("/v1/reproductions", {"service": "shop"})
            found = wait_until(lambda asked=asked: _ended(running, f"/v1/reproductions/{asked['id']}"), 300)
            again.append(time.perf_counter() - began)
            if found["verdict"] != "identical":
                raise RuntimeError(f"the example came out {found['verdict']}")
    varied = found["report"]["varied"]
    note = f"bit-identical, with {len(varied)} things otherwise"
    peer = "building it once, without a cache"
    value, bare = median(again), median(once)
    return [Figure("build.reproduce_s", value, "s", peer, bare, 5, spread(again), COMMAND, note)]


def _ended(running: Running, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] = running.get(path)
    if found["status"] == "failed":
        raise RuntimeError(found["error"])
    return None if found["status"] in ("queued", "running") else found


FIGURES = (step_ms, cached_10_steps_ms, reproduce_s, logs_of_builds, queue.queue_1000_s)
