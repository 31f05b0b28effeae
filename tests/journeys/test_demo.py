"""The main job, end to end, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from postgres import empty_postgres

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The demo's data, from one real run on each database."""
    folder = tmp_path_factory.mktemp("demo")
    environment = dict(os.environ)
    if request.param == "postgresql":
        database = empty_postgres()
        environment["CLEARWAY_DATABASE_URL"] = database.url
        database.dispose()
    data = folder / "story.json"
    command = [
        sys.executable,
        "-m",
        "clearway.cli",
        "demo",
        "--home",
        str(folder / "home"),
        "--json",
        str(data),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return dict(json.loads(data.read_text()))


def test_every_build_was_reproduced(story: dict[str, Any]) -> None:
    """Each version was built twice with equal digests."""
    assert [build["version"] for build in story["builds"]] == ["1.0.0", "1.1.0", "1.2.0"]
    assert all(build["reproduced"] is True for build in story["builds"])
    assert len({build["digest"] for build in story["builds"]}) == 3


def test_good_versions_stay_and_the_bad_one_comes_back(story: dict[str, Any]) -> None:
    """1.0.0 and 1.1.0 reach prod; 1.2.0 is rolled back by its canary."""
    prod = {row["release"]: row for row in story["promotions"] if row["environment"] == "prod"}
    assert [prod[version]["outcome"] for version in ("1.0.0", "1.1.0", "1.2.0")] == [
        "succeeded",
        "succeeded",
        "rolled-back",
    ]
    assert prod["1.1.0"]["canary"]["verdict"] == "pass"
    assert prod["1.2.0"]["canary"]["verdict"] == "fail"
    assert prod["1.2.0"]["canary"]["reason"]


def test_people_approved_what_needs_people(story: dict[str, Any]) -> None:
    """UAT and Prod were approved by someone who is not the author; every promotion has a plan hash."""
    for row in story["promotions"]:
        assert row["plan_hash"].startswith("sha256:")
        if row["environment"] in ("uat", "prod"):
            assert row["approved_by"]
            assert "dev" not in row["approved_by"]
        else:
            assert row["approved_by"] == []


def test_no_request_was_dropped(story: dict[str, Any]) -> None:
    """Moving traffic drops nothing; only the bad version answered with errors of its own."""
    traffic = story["traffic"]
    assert traffic["requests"] > 1000
    assert traffic["dropped"] == 0
    errors = traffic["errors_by_version"]
    assert errors["1.0.0"] == errors["1.1.0"] == 0
    assert errors["1.2.0"] > 0


def test_the_incident_opened_and_closed(story: dict[str, Any]) -> None:
    """The rollback opened an incident that closed when service was restored."""
    assert story["incident"]["opened"] < story["incident"]["restored"]


def test_the_ledger_and_the_figures_are_real(story: dict[str, Any]) -> None:
    """The ledger verifies, and the DORA figures count what happened: three prod deployments, one failed."""
    assert story["ledger"]["verified"] is True
    assert story["ledger"]["entries"] > 50
    assert story["dora"]
