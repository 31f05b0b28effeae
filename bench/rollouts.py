"""Rollouts: how soon after an approval, how soon after `kill -9`, and what moving traffic drops."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from bench.figures import Figure, median, spread
from bench.running import Running, answers, clearway_up, free_port, wait_until
from clearway.cli.demo.load import Load
from clearway.deploy.ports import Route
from clearway.integrations.envoy import EnvoyRouter
from clearway.integrations.local import Program

COMMAND = "make bench ONLY=core"
SHOP = Path(__file__).parent.parent / "examples" / "shop"
STOPS = ("one", "two", "three")
MOVES = 200
ENVIRONMENT = """\
---
kind: Environment
name: {name}
order: {order}
promotion: manual
approvals: {{count: 1}}
strategy: {{kind: rolling, surge: 1}}
instances: 3
"""
PLATFORM = """\
{{kind: Team, name: makers}}
---
{{kind: User, name: dev, email: dev@example.com, roles: [developer, release-manager]}}
---
{{kind: User, name: backend, email: backend@example.com, roles: [developer]}}
---
{{kind: User, name: manager, roles: [release-manager]}}
{environments}
---
{{kind: Route, name: straight, environments: [{stops}]}}
---
{{kind: Service, name: shop, team: makers, repository: {repository}, route: straight}}
---
{{kind: Config, service: shop, values: {{MAX_ITEMS: 20}}, reason: a bench}}
"""


def dispatch_and_resume() -> list[Figure]:
    """One release through three stops, each approved; then the next one, with kill -9 in each rollout."""
    with tempfile.TemporaryDirectory() as folder, clearway_up(Path(folder) / "home") as (running, _):
        people = _prepare(running, Path(folder) / "shop")
        took, resumed, ready = [], [], []
        for stop in STOPS:
            took.append(1000 * _approved(running, people, "1.0.0", stop)[1])
            _finished(running, stop, "1.0.0")
        for stop in STOPS:
            deployment, seconds = _approved(running, people, "1.1.0", stop)
            took.append(1000 * seconds)
            again, answered = _killed(running, deployment)
            resumed.append(again)
            ready.append(answered)
            _finished(running, stop, "1.1.0")
        note = "a rolling update of three instances, all of Clearway killed in its second stage"
    return [
        Figure(
            "core.dispatch_ms",
            median(took),
            "ms",
            "one poll of the queue",
            100.0,
            len(took),
            spread(took),
            COMMAND,
            "from sending the approval to the rollout's first entry in the ledger, by the same clock",
        ),
        Figure(
            "core.resume_s",
            median(resumed),
            "s",
            "the restarted server's first answer",
            median(ready),
            len(resumed),
            spread(resumed),
            COMMAND,
            note,
        ),
    ]


def _prepare(running: Running, repository: Path) -> dict[str, httpx.Client]:
    subprocess.run(
        [sys.executable, str(SHOP / "make_repository.py"), str(repository)], check=True, capture_output=True
    )
    stops = enumerate(STOPS, 1)
    environments = "".join(ENVIRONMENT.format(name=name, order=order) for order, name in stops).rstrip()
    text = PLATFORM.format(environments=environments, stops=", ".join(STOPS), repository=repository)
    running.post("/v1/apply", {"files": {"p.yaml": text}})
    for version in ("1.0.0", "1.1.0"):
        build = running.built("shop", f"v{version}")
        running.post("/v1/releases", {"service": "shop", "build_id": build["id"]})
    return {name: running.person(running.token_of(name)) for name in ("dev", "manager")}


def _approved(
    running: Running, people: dict[str, httpx.Client], version: str, stop: str
) -> tuple[str, float]:
    """Ask, approve; the deployment, and the seconds from sending the approval to its first entry."""
    body = {"service": "shop", "version": version, "environment": stop, "reason": "bench"}
    asked = running.post("/v1/promotions", body, people["dev"])
    path = f"/v1/promotions/{asked['id']}"
    plan = wait_until(lambda: _in_state(running, path, "waiting-approval"))["plan_hash"]
    began = time.time()
    running.post(f"{path}/approve", {"plan_hash": plan}, people["manager"])
    deployment = wait_until(lambda: running.get(path)["deployment_id"])
    entries = wait_until(lambda: _entries(running, deployment))
    return deployment, _at(entries[0]) - began


def _in_state(running: Running, path: str, state: str) -> Any:
    found = running.get(path)
    if found["state"] in ("refused", "failed", "rejected"):
        raise RuntimeError(f"{path}: {found['state']}: {found['why']}")
    return found if found["state"] == state else None


def _entries(running: Running, deployment: str) -> list[Any]:
    return list(running.get("/v1/ledger/entries", subject=f"deployment:{deployment}", limit=100)["items"])


def _at(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()


def _killed(running: Running, deployment: str) -> tuple[float, float]:
    """Kill in the second stage; seconds from the restart to the next entry, and to an answer."""
    path = f"/v1/deployments/{deployment}"
    wait_until(lambda: running.get(path)["stage"] >= 1)
    running.kill()
    began = time.time()
    answered = running.up()

    def next_step() -> Any:
        later = [each for each in _entries(running, deployment) if _at(each) > began]
        return later[0] if later else None

    return _at(wait_until(next_step)) - began, answered


def _finished(running: Running, stop: str, version: str) -> None:
    query = {"service": "shop", "version": version, "environment": stop}

    def ended() -> Any:
        states = [each["state"] for each in running.get("/v1/promotions", **query)["items"]]
        if states and set(states) & {"failed", "rolled-back", "cancelled"}:
            raise RuntimeError(f"{version} to {stop}: {states}")
        return "succeeded" in states

    wait_until(ended, 90, every=0.1)


def dropped_requests() -> list[Figure]:
    """Two versions behind Envoy under load, while their shares change as fast as Envoy confirms them."""
    with tempfile.TemporaryDirectory() as folder:
        ports = {"old": free_port(), "new": free_port()}
        servers = [_shop(port) for port in ports.values()]
        router = EnvoyRouter(Path(folder), Program)
        listener = free_port()

        def give(new: int) -> None:
            groups = {name: [port] for name, port in ports.items()}
            router.apply([Route("prod/shop", listener, groups, {"old": 100 - new, "new": new})])

        try:
            for port in ports.values():
                wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}/healthz"))
            give(0)
            wait_until(lambda: answers(f"http://127.0.0.1:{listener}/healthz"))
            traffic, seconds = _under_load(listener, give)
        finally:
            router.stop()
            for server in servers:
                server.kill()
                server.wait()
    note = (
        f"of {traffic.requests} requests while the weights moved {MOVES} times in {seconds:.1f} s; "
        f"keep-alive clients that never retry{'; ' + str(dict(traffic.reasons)) if traffic.dropped else ''}"
    )
    name = "core.dropped_requests"
    return [Figure(name, float(traffic.dropped), "requests", "limit", 0.0, 1, "", COMMAND, note)]


def _under_load(port: int, give: Callable[[int], None]) -> tuple[Any, float]:
    load = Load(("127.0.0.1", port), rate=400.0, clients=8)
    load.start()
    began = time.perf_counter()
    for move in range(MOVES):
        give((10, 25, 50, 100, 75, 0)[move % 6])
        time.sleep(0.05)
    return load.stop(), time.perf_counter() - began


def _shop(port: int) -> subprocess.Popen[bytes]:
    variables = os.environ | {"PORT": str(port), "PYTHONPATH": str(SHOP / "src"), "API_KEY": "bench"}
    return subprocess.Popen(
        [sys.executable, "-m", "shop"], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
