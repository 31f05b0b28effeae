"""Threshold analysis in Argo Rollouts' words: measurements against conditions. Pure.

Rules:
1. Only a success condition: false is Failed. Only a failure condition: false is Successful. Both: failure
   wins, and neither being true is Inconclusive. An exception or a non-boolean is Error.
2. A metric is Failed when failures > failure_limit (-1: never), Inconclusive when > inconclusive_limit, Error
   when errors in a row > error_limit.
3. A run is the worst of its metrics, Successful < Inconclusive < Error < Failed; dry-run metrics never count.
4. Ours, different on purpose: what ended before any measurement is Inconclusive, never Successful; and a
   failed re-verification revokes what was verified.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clearway.kernel import Invalid

Phase = Literal["Running", "Successful", "Inconclusive", "Error", "Failed"]
WORST: tuple[Phase, ...] = ("Successful", "Inconclusive", "Error", "Failed")
UNLIMITED = -1
MAX_CONDITION = 500


@dataclass(frozen=True)
class Threshold:
    """One metric with its conditions and limits."""

    name: str
    success: str | None = None  # such as `result < 0.01` or `result[0] >= 0.95 && !isNaN(result[0])`
    failure: str | None = None
    failure_limit: int = 0
    inconclusive_limit: int = 0
    error_limit: int = 4
    count: int | None = None  # measurements after which the metric is done; None: with the run
    dry_run: bool = False


@dataclass(frozen=True)
class MetricPhase:
    """How one metric stands."""

    name: str
    phase: Phase
    reason: str
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors: int = 0
    dry_run: bool = False


def measure(metric: Threshold, result: Any) -> Phase:
    """The phase of one measurement; an exception as the result is a measurement that could not be made."""
    if isinstance(result, BaseException):
        return "Error"
    try:
        good = None if metric.success is None else holds(metric.success, result)
        bad = None if metric.failure is None else holds(metric.failure, result)
    except (Invalid, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return "Error"
    if good is None and bad is None:
        return "Successful"
    if bad:
        return "Failed"
    if good or good is None:
        return "Successful"
    return "Failed" if bad is None else "Inconclusive"


def metric_phase(metric: Threshold, results: Sequence[Any], *, ended: bool) -> MetricPhase:
    """How a metric stands after these measurements; `ended`: no more will come."""
    counts: dict[Phase, int] = dict.fromkeys(WORST, 0)
    row, phase, reason = 0, "Running", ""
    for result in results:
        seen = measure(metric, result)
        counts[seen] += 1
        row = row + 1 if seen == "Error" else 0
        phase, reason = _limit(metric, counts, row)
        if phase != "Running":
            break
    measured = sum(counts.values())
    enough = metric.count is not None and measured - counts["Error"] >= metric.count
    if phase == "Running" and measured > 0 and (ended or enough):
        phase, reason = _at_the_end(counts, measured)
    elif phase == "Running" and ended:
        phase, reason = "Inconclusive", "ended before any measurement"
    return MetricPhase(
        metric.name,
        phase,  # type: ignore[arg-type]
        f"{metric.name}: {reason or 'measuring'}",
        counts["Successful"],
        counts["Failed"],
        counts["Inconclusive"],
        counts["Error"],
        metric.dry_run,
    )


def _limit(metric: Threshold, counts: Mapping[Phase, int], row: int) -> tuple[str, str]:
    if metric.failure_limit != UNLIMITED and counts["Failed"] > metric.failure_limit:
        return "Failed", f"{counts['Failed']} failures, more than {metric.failure_limit}"
    if metric.inconclusive_limit != UNLIMITED and counts["Inconclusive"] > metric.inconclusive_limit:
        return "Inconclusive", f"{counts['Inconclusive']} inconclusive, more than {metric.inconclusive_limit}"
    if metric.error_limit != UNLIMITED and row > metric.error_limit:
        return "Error", f"{row} errors in a row, more than {metric.error_limit}"
    return "Running", ""


def _at_the_end(counts: Mapping[Phase, int], measured: int) -> tuple[str, str]:
    if counts["Error"] == measured:
        return "Inconclusive", "ended before any measurement could be made"
    return "Successful", f"{counts['Successful']} of {measured} measurements hold"


def run_phase(metrics: Sequence[MetricPhase]) -> tuple[Phase, str]:
    """How the run stands: a metric that failed ends it at once, else it runs while any metric runs."""
    counted = [metric for metric in metrics if not metric.dry_run]
    if not counted:
        return "Inconclusive", "no metric counts"
    done = [metric for metric in counted if metric.phase != "Running"]
    worst = max(done, key=lambda metric: WORST.index(metric.phase), default=None)
    if worst is not None and (worst.phase != "Successful" or len(done) == len(counted)):
        return worst.phase, worst.reason
    return "Running", "; ".join(metric.reason for metric in counted if metric.phase == "Running")


def verified(runs: Sequence[Phase]) -> bool:
    """Whether something counts as verified after these runs, oldest first: the last finished one decides."""
    finished = [run for run in runs if run != "Running"]
    return bool(finished) and finished[-1] == "Successful"


# Conditions: a small, closed part of Argo's expression language.

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": len,
    "isNaN": lambda value: math.isnan(float(value)),
    "isInf": lambda value: math.isinf(float(value)),
    "default": lambda value, other: other if _missing(value) else value,
    "abs": abs,
    "min": min,
    "max": max,
}


def _times(left: Any, right: Any) -> Any:
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left * right
    raise TypeError("only numbers are multiplied")  # a text times a billion is a full memory


_OPERATORS: Mapping[type[Any], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Add: operator.add, ast.Sub: operator.sub,
    ast.Mult: _times, ast.Div: operator.truediv,
}  # fmt: skip


def _missing(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))


def holds(condition: str, result: Any) -> bool:
    """Whether the condition is true of the result. Raises Invalid on anything but a yes or a no."""
    answer = _value(_parsed(condition), result)
    if not isinstance(answer, bool):
        raise Invalid(f"the condition {condition!r} gives {answer!r}", expected="true or false")
    return answer


def check(condition: str) -> None:
    """Raises Invalid when the text is no condition, before anything is measured."""
    _parsed(condition)


def _parsed(condition: str) -> ast.expr:
    text = re.sub(r"!(?!=)", " not ", condition.replace("&&", " and ").replace("||", " or ")).strip()
    text = re.sub(r"\bnil\b", "None", re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", text)))
    try:
        if len(text) > MAX_CONDITION:
            raise SyntaxError("it is too long")
        body = ast.parse(text, mode="eval").body
        for node in ast.walk(body):
            _allow(node)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise Invalid(
            f"{condition[:80]!r} is no condition: {error}",
            expected="comparisons of `result` joined by && and ||, such as result[0] >= 0.95",
        ) from None
    return body


_PLAIN = (ast.BoolOp, ast.Compare, ast.BinOp, ast.Subscript, ast.And, ast.Or, ast.Load, ast.Not, ast.USub)


def _allow(node: ast.AST) -> None:
    if isinstance(node, _PLAIN) or type(node) in _OPERATORS:
        return
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        return
    if isinstance(node, ast.Name) and (node.id == "result" or node.id in _FUNCTIONS):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return
    raise SyntaxError(f"{type(node).__name__} is not known here")


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{value!r} is joined by && or ||", expected="true or false")
    return value


def _value(node: ast.expr, result: Any) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id != "result":
            raise Invalid(f"{node.id} is a function", expected="a value")
        return result
    if isinstance(node, ast.BoolOp):
        answers = (_yes_or_no(_value(part, result)) for part in node.values)
        return all(answers) if isinstance(node.op, ast.And) else any(answers)
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, result)
        return (not _yes_or_no(inner)) if isinstance(node.op, ast.Not) else -inner
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, result), _value(node.right, result))
    if isinstance(node, ast.Subscript):
        return _value(node.value, result)[_value(node.slice, result)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        return _FUNCTIONS[node.func.id](*(_value(part, result) for part in node.args))
    if isinstance(node, ast.Compare):
        left = _value(node.left, result)
        for sign, part in zip(node.ops, node.comparators, strict=True):
            right = _value(part, result)
            if not _OPERATORS[type(sign)](left, right):
                return False
            left = right
        return True
    raise Invalid(f"{type(node).__name__} is not known here")
