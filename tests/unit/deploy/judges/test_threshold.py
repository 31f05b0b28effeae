"""Threshold analysis in Argo Rollouts' words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from clearway.deploy.judges.threshold import (
    MetricPhase,
    Threshold,
    check,
    holds,
    measure,
    metric_phase,
    run_phase,
    verified,
)
from clearway.kernel import Invalid

BOTH = Threshold("m", success="result < 1", failure="result > 5")


@pytest.mark.parametrize(
    ("metric", "result", "phase"),
    [
        (Threshold("m", success="result < 1"), 0.5, "Successful"),
        (Threshold("m", success="result < 1"), 2, "Failed"),
        (Threshold("m", failure="result > 5"), 9, "Failed"),
        (Threshold("m", failure="result > 5"), 2, "Successful"),
        (BOTH, 0.5, "Successful"),
        (BOTH, 2, "Inconclusive"),
        (BOTH, 9, "Failed"),
        (Threshold("m", success="result < 9", failure="result > 5"), 7, "Failed"),  # failure wins
        (Threshold("m"), 7, "Successful"),
        (BOTH, RuntimeError("no answer"), "Error"),
        (BOTH, None, "Error"),
        (Threshold("m", success="result + 1"), 7, "Error"),  # not yes or no
        (Threshold("m", success="result[3] > 1"), [1], "Error"),
        (Threshold("m", success="1 / result > 1"), 0, "Error"),
        (Threshold("m", success="result <"), 0, "Error"),
    ],
)
def test_one_measurement(metric: Threshold, result: Any, phase: str) -> None:
    """Conditions give phases, one rule a row."""
    assert measure(metric, result) == phase


@pytest.mark.parametrize(
    ("metric", "results", "ended", "phase"),
    [
        (BOTH, [0], False, "Running"),
        (BOTH, [0, 0], True, "Successful"),
        (BOTH, [], True, "Inconclusive"),  # ours: Argo would call it Successful
        (BOTH, [], False, "Running"),
        (BOTH, [ValueError()], True, "Inconclusive"),
        (BOTH, [0, 9], False, "Failed"),
        (Threshold("m", failure="result", failure_limit=1), [True, False], False, "Running"),
        (Threshold("m", failure="result", failure_limit=1), [True, False, True], False, "Failed"),
        (Threshold("m", failure="result", failure_limit=-1), [True] * 9, True, "Successful"),
        (BOTH, [2], False, "Inconclusive"),
        (Threshold("m", "result < 1", "result > 5", inconclusive_limit=2), [2, 2], True, "Successful"),
        (Threshold("m", "result < 1", "result > 5", inconclusive_limit=2), [2, 2, 2], False, "Inconclusive"),
        (BOTH, [ValueError()] * 4, False, "Running"),
        (BOTH, [ValueError()] * 5, False, "Error"),
        (BOTH, [ValueError()] * 4 + [0] + [ValueError()] * 4, False, "Running"),  # only errors in a row count
        (Threshold("m", "result < 1", count=2), [0, 0], False, "Successful"),
        (Threshold("m", "result < 1", count=2), [0, ValueError()], False, "Running"),
    ],
)
def test_limits(metric: Threshold, results: list[Any], ended: bool, phase: str) -> None:
    """Limits decide a metric, one rule a row."""
    assert metric_phase(metric, results, ended=ended).phase == phase


def phase_of(name: str, phase: Any, dry_run: bool = False) -> MetricPhase:
    return MetricPhase(name, phase, name, dry_run=dry_run)


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (["Successful", "Successful"], "Successful"),
        (["Successful", "Inconclusive"], "Inconclusive"),
        (["Error", "Inconclusive"], "Error"),
        (["Error", "Failed", "Running"], "Failed"),
        (["Successful", "Running"], "Running"),
        ([], "Inconclusive"),
    ],
)
def test_a_run_is_its_worst_metric(phases: list[str], expected: str) -> None:
    """Successful < Inconclusive < Error < Failed; nothing at all is Inconclusive."""
    assert run_phase([phase_of(str(index), phase) for index, phase in enumerate(phases)])[0] == expected


def test_dry_runs_never_count() -> None:
    """A failing dry-run metric changes nothing, and alone it proves nothing."""
    assert run_phase([phase_of("a", "Successful"), phase_of("b", "Failed", True)])[0] == "Successful"
    assert run_phase([phase_of("b", "Successful", True)])[0] == "Inconclusive"


def test_a_failed_second_look_revokes() -> None:
    """Verified is what the last finished run says; a running one leaves it as it was."""
    assert verified(["Successful"])
    assert verified(["Failed", "Successful", "Running"])
    assert not verified(["Successful", "Failed"])
    assert not verified(["Successful", "Inconclusive"])
    assert not verified([])


@pytest.mark.parametrize(
    ("condition", "result", "answer"),
    [
        ("result[0] >= 0.95 && !isNaN(result[0])", [0.97], True),
        ("result[0] >= 0.95 || len(result) == 0", [0.9], False),
        ("default(result, 0) < 0.05", None, True),
        ("default(result, 1) < 0.05", math.nan, False),
        ('result["p95"] * 2 != 3', {"p95": 1.5}, False),
        ("0 < result <= 1", 1, True),
        ("!(result > 5)", 6, False),
        ("isInf(-result)", math.inf, True),
    ],
)
def test_conditions(condition: str, result: Any, answer: bool) -> None:
    """The part of Argo's language that is understood."""
    assert holds(condition, result) is answer


@pytest.mark.parametrize(
    "condition",
    [
        "", "result.__class__", "__import__('os')", "[x for x in result]", "lambda: 1", "result := 3",
        "open('x')",
        "result ** 9", "(" * 300 + "1" + ")" * 300, "1 " * 400, "len", "f'{result}'",
        "len(*result)", "result if 1 else 2",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(condition: str) -> None:
    """Anything beyond comparisons is refused: before, or at the latest when it is asked."""
    with pytest.raises(Invalid):
        check(condition)
        holds(condition, 1)


def test_a_condition_cannot_fill_the_memory() -> None:
    """Only numbers are multiplied."""
    assert measure(Threshold("m", success='"a" * 999999999 == "b"'), 1) == "Error"
    assert measure(Threshold("m", success="result * 999999999 == 1"), [1]) == "Error"
