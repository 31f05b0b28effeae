"""`kill -9` of server and worker at every step of a canary: it resumes by itself and ends the same."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearway.cli.demo.load import Load
from tests.journeys.conftest import System
from tests.journeys.platforms import one_environment

pytestmark = [
    pytest.mark.journey,
    pytest.mark.integration,
    pytest.mark.timeout(400),
]

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"
CANARY = "{kind: canary, steps: [{weight: 50, hold: 3s}, {weight: 100, hold: 1s}], warm: 60s}"


@pytest.fixture
def shop(system: System, tmp_path: Path) -> System:
    """A Clearway in which shop 1.0.0 runs in prod and 1.1.0 is released."""
    repository = tmp_path / "shop"
    maker = [sys.executable, str(SHOP / "make_repository.py"), str(repository)]
    subprocess.run(maker, check=True, capture_output=True)
    platform = tmp_path / "platform.yaml"
    platform.write_text(one_environment("shop", repository, CANARY, instances=1))
    system.up()
    system.cli("apply", str(platform), "--yes")
    for version in ("1.0.0", "1.1.0"):
        system.cli("build", "shop", "--ref", f"v{version}")
        system.cli("release", "shop", version)
    system.cli("promote", "shop", "1.0.0", "--to", "prod", "--reason", "first", "--wait")
    return system


def newest(system: System) -> dict[str, Any]:
    """The newest deployment, read beside the running system: it must be caught between two steps."""
    # Not mode=ro: a kill may leave a journal, which whoever reads next has to roll back.
    uri = f"file:{system.home / 'clearway.db'}?mode=rw"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        query = "select * from deploy_deployment order by id desc limit 1"
        return dict(connection.execute(query).fetchone())


def test_killed_at_every_step_it_ends_the_same(shop: System) -> None:
    """No finished step runs again, nothing is deployed twice, no request is dropped, the ledger verifies."""
    with shop.client() as client:
        rows = client.get("/v1/overview").json()["services"]
    address = next(row for row in rows if row["service"] == "shop")["environments"]["prod"]["address"]
    port = int(str(address).rstrip("/").rsplit(":", 1)[1])
    load = Load(("127.0.0.1", port), rate=150)
    load.start()
    shop.cli("promote", "shop", "1.1.0", "--to", "prod", "--reason", "second")
    deployment_id = shop.wait("the rollout to begin", lambda: _version(newest(shop), "1.1.0"))["id"]
    killed: set[tuple[str, int, str]] = set()

    def ended() -> dict[str, Any] | None:
        seen = newest(shop)
        place = (seen["state"], seen["stage"], seen["phase"])
        if seen["finished_at"]:
            return seen
        if place not in killed:
            killed.add(place)
            shop.kill()
            shop.start()
        return None

    last = shop.wait("the rollout to end", ended, 300, every_s=0.004)
    shop.wait("the server", shop.ready)
    traffic = load.stop()
    assert len(killed) >= 6, f"too few steps were seen to be killed at: {sorted(killed)}"
    assert last["id"] == deployment_id, "a second deployment was made"
    assert (last["outcome"], last["weights"]) == ("succeeded", json.dumps({deployment_id: 100}))
    assert traffic.dropped == 0, traffic.as_json()
    with shop.client() as client:
        verified = client.get("/v1/ledger/verify").json()
        entries = client.get(
            "/v1/ledger/entries", params={"subject": f"deployment:{deployment_id}", "limit": 500}
        ).json()["items"]
    assert verified["verified"] is True
    actions = [entry["action"] for entry in entries]
    assert actions.count("deployment.started") == 1
    assert actions.count("deployment.finished") == 1
    assert actions.count("deployment.traffic-moved") == 2, actions
    # A kill can leave a look with too little to judge; then it is asked again, and the last word counts.
    verdicts = [entry["data"]["verdict"] for entry in entries if entry["action"] == "deployment.judged"]
    assert verdicts[-1] == "pass", verdicts
    assert set(verdicts[:-1]) <= {"inconclusive"}, verdicts


def _version(row: dict[str, Any], version: str) -> dict[str, Any] | None:
    return row if row["version"] == version else None
