"""The guide to reports: its example is read, and each of its gates says what it claims."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clearway import artifacts, catalog
from clearway.artifacts import Evidence
from clearway.catalog import load_definition
from clearway.integrations.cel import CelEvaluator
from clearway.kernel import load_documents
from clearway.policy import Gate, decide
from clearway.releases.facts import evidence_facts

PAGE = Path(__file__).parents[3] / "docs/how-to/reports.md"
GOOD: dict[str, dict[str, Any]] = {
    artifacts.TEST_RESULT: {"result": "PASSED", "counts": {"passed": 9, "failed": 0, "total": 9}},
    artifacts.COVERAGE: {"lines": {"percent": 80}, "branches": {"percent": None}},
    artifacts.FINDINGS: {"complete": True, "counts": {"error": 0, "warning": 3, "note": 1, "suppressed": 2}},
    artifacts.LICENCES: {"denied": [], "unknown": []},
}
BAD: dict[str, dict[str, Any]] = {
    "covered": {artifacts.COVERAGE: {"lines": {"percent": 79.99}}},
    "no-findings": {artifacts.FINDINGS: {"complete": True, "counts": {"error": 1}}},
    "licences": {artifacts.LICENCES: {"denied": [], "unknown": [{"package": "pkg:pypi/x@1", "licence": ""}]}},
    "really-tested": {artifacts.TEST_RESULT: {"result": "FAILED", "counts": {"failed": 1, "total": 9}}},
}
UNFINISHED = {artifacts.FINDINGS: {"complete": False, "counts": {"error": 0}}}


@pytest.fixture(scope="module")
def cel() -> Iterator[CelEvaluator]:
    evaluator = CelEvaluator()
    yield evaluator
    evaluator.close()


def blocks() -> list[str]:
    return [part.partition("```")[0] for part in PAGE.read_text(encoding="utf-8").split("```yaml\n")[1:]]


def gates() -> list[Gate]:
    found = load_documents(blocks()[1], "page", lambda raw: catalog.KINDS[raw["kind"]])
    return [each for each, _ in found if isinstance(each, Gate)]


def answers(cel: CelEvaluator, said: dict[str, dict[str, Any]]) -> dict[str, str]:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    statements = [Evidence("e", "d", kind, {"predicate": each}, {}, moment) for kind, each in said.items()]
    facts = {"evidence": evidence_facts(statements)}
    return {verdict.gate: verdict.answer for verdict in decide(gates(), facts, cel).verdicts}


def test_the_example_is_a_definition() -> None:
    """It can be copied as it stands."""
    assert load_definition(blocks()[0]).build.reports.licences.allow


def test_every_gate_says_yes_to_what_is_good(cel: CelEvaluator) -> None:
    """With whole and with broken percentages alike."""
    assert set(answers(cel, GOOD).values()) == {"yes"}
    assert set(answers(cel, GOOD | {artifacts.COVERAGE: {"lines": {"percent": 99.5}}}).values()) == {"yes"}


@pytest.mark.parametrize("name", sorted(BAD))
def test_each_gate_says_no_to_what_it_is_for(cel: CelEvaluator, name: str) -> None:
    """And only that one."""
    found = answers(cel, GOOD | BAD[name])
    assert {gate for gate, answer in found.items() if answer != "yes"} == {name}


def test_no_report_is_no_pass(cel: CelEvaluator) -> None:
    """What nobody measured, and what a tool did not finish, is never good."""
    assert "yes" not in answers(cel, {}).values()
    assert answers(cel, GOOD | UNFINISHED)["no-findings"] == "no"
