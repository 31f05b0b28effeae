"""What gates are told: evidence in plain words, and how a release did at the stop before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clearway import artifacts
from clearway.artifacts import Evidence
from clearway.releases.facts import evidence_facts, ran_there
from clearway.releases.model import Head

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def said(kind: str, predicate: dict) -> Evidence:
    return Evidence("e", "sha256:1", kind, {"predicate": predicate}, {}, NOW)


def test_no_evidence_proves_nothing() -> None:
    """Absent statements are absent facts, never good ones."""
    facts = evidence_facts([])
    assert facts["tests"] == {"present": False, "passed": 0, "failed": 0, "total": 0}
    assert not facts["provenance"]["present"]
    assert not facts["provenance"]["sandboxed"]
    assert not facts["sbom"]["present"]
    assert facts["reproduced"] is False


@pytest.mark.parametrize(
    ("predicate", "passed", "failed"),
    [
        ({"result": "PASSED", "counts": {"passed": 3, "failed": 0, "total": 3}}, 3, 0),
        ({"result": "FAILED", "counts": {"passed": 2, "failed": 1, "total": 3}}, 2, 1),
        ({"result": "FAILED", "counts": {"passed": None, "failed": None, "total": None}}, 0, 1),
        ({"result": "PASSED", "passedTests": ["a", "b"], "failedTests": []}, 2, 0),
        ({"result": "FAILED"}, 0, 1),
    ],
)
def test_test_results_are_counted(predicate, passed, failed) -> None:
    """By our builder's counts or by the specification's lists; a failed run never counts as none failed."""
    tests = evidence_facts([said(artifacts.TEST_RESULT, predicate)])["tests"]
    assert (tests["passed"], tests["failed"]) == (passed, failed)


def test_only_an_agreeing_rebuild_is_reproduced_and_only_a_sandbox_is_one() -> None:
    """Two runs that differ say so; the builder's name says how it was kept apart."""

    def facts(identical: bool, builder: str):
        provenance = {"runDetails": {"builder": {"id": f"https://clearway.dev/builders/{builder}/v1"}}}
        rebuilt = said(artifacts.REPRODUCED, {"identical": identical})
        return evidence_facts([said(artifacts.PROVENANCE, provenance), rebuilt])

    assert facts(True, "bubblewrap")["reproduced"] is True
    assert facts(False, "bubblewrap")["reproduced"] is False
    assert facts(True, "bubblewrap")["provenance"]["sandboxed"]
    assert not facts(True, "plain")["provenance"]["sandboxed"]


def head(digest: str, hours: int, kind: str = "rollout", replaces: str | None = None) -> Head:
    at = NOW + timedelta(hours=hours)
    return Head("p", "r", digest, "s", digest, "e", "succeeded", "", kind, None, at, at, at, replaces)


def test_a_release_soaks_from_when_it_ran_until_another_took_its_place() -> None:
    """History is newest first; what still runs has no end."""
    assert ran_there([head("a", 0)], "a").seconds(NOW + timedelta(hours=5)) == 5 * 3600
    assert ran_there([head("b", 2), head("a", 0)], "a").seconds(NOW + timedelta(hours=5)) == 2 * 3600
    assert not ran_there([head("b", 2)], "a").succeeded
    asked_first_ended_last = [head("a", 0), head("b", 2)]
    assert ran_there(asked_first_ended_last, "a").seconds(NOW + timedelta(hours=5)) == 2 * 3600


def test_a_release_that_was_taken_back_did_not_do_well() -> None:
    """Unless it came again and stayed."""
    back = head("a", 3, "rollback", "b")
    assert not ran_there([back, head("b", 2), head("a", 0)], "b").succeeded
    again = ran_there([head("b", 4), back, head("b", 2), head("a", 0)], "b")
    assert again.since == NOW + timedelta(hours=4)


def test_a_rebuild_from_the_record_is_a_fact_of_its_own() -> None:
    """Building twice at once says nothing of it; the newest rebuild counts."""
    assert evidence_facts([said(artifacts.REPRODUCED, {"identical": True})])["rebuilt"] == {
        "present": False,
        "identical": False,
        "equivalent": False,
        "varied": [],
    }
    rows = [
        said(artifacts.REBUILT, {"identical": True, "equivalent": True, "varied": ["umask"]}),
        said(artifacts.REBUILT, {"identical": False, "equivalent": True, "varied": ["umask", "path"]}),
    ]
    assert evidence_facts(rows)["rebuilt"] == {
        "present": True,
        "identical": False,
        "equivalent": True,
        "varied": ["umask", "path"],
    }
