"""Checking gates when they are applied, asking them at a promotion. Pure but for the evaluator given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from clearway.kernel import Invalid

from .language import Rule, parse
from .model import Decision, Gate, Verdict
from .ports import Evaluator, Failure

MAX_LIST = 1000
MAX_TEXT = 10_000
MAX_DEPTH = 8
MAX_VALUES = 5000  # in each fact at the top
MAX_WHOLE = 2**63

_ABSENT = object()
Answer = bool | Failure


def check(gate: Gate, evaluator: Evaluator | None = None) -> Rule:
    """The gate's rule, read. Raises Invalid when it is too costly, or (with an evaluator) not CEL."""
    try:
        rule = parse(gate.rule)
    except Invalid as error:
        raise Invalid(f"gate {gate.name}: {error.message}", expected=error.expected) from None
    wrong = evaluator.syntax_error(gate.rule) if evaluator else None
    if wrong:
        raise Invalid(f"gate {gate.name}: {wrong}", expected="a CEL expression that is true or false")
    return rule


def decide(
    gates: Sequence[Gate], facts: Mapping[str, Any], evaluator: Evaluator, timeout_s: float = 0.5
) -> Decision:
    """Ask every gate. An error is a no; so is a fact that is too large to be looked through safely."""
    clean, oversize = _screen(facts)
    rules: dict[str, Rule] = {}
    answers: dict[str, Answer] = {}
    for gate in gates:
        try:
            rules[gate.rule] = parse(gate.rule)
        except Invalid as error:
            answers[gate.rule] = Failure(f"{error.message}; expected {error.expected}")
            continue
        bad = [path for path in oversize if any(_touches(path, read) for read in rules[gate.rule].reads)]
        if bad:
            answers[gate.rule] = Failure(f"the fact {bad[0]} {oversize[bad[0]]}")
    _ask(evaluator, [gate.rule for gate in gates], clean, timeout_s, answers)
    refused = [rule for text, rule in rules.items() if answers[text] is False]
    _ask(evaluator, [part for rule in refused for part in rule.parts], clean, timeout_s, answers)
    return Decision(tuple(_verdict(gate, rules.get(gate.rule), answers, facts) for gate in gates))


def _ask(
    evaluator: Evaluator,
    texts: Sequence[str],
    facts: Mapping[str, Any],
    timeout_s: float,
    answers: dict[str, Answer],
) -> None:
    """Evaluate what has no answer yet, in one round trip."""
    waiting = [text for text in dict.fromkeys(texts) if text not in answers]
    if waiting:
        answers.update(zip(waiting, evaluator.evaluate(waiting, facts, timeout_s), strict=True))


def _verdict(
    gate: Gate, rule: Rule | None, answers: Mapping[str, Answer], facts: Mapping[str, Any]
) -> Verdict:
    answer = answers[gate.rule]
    read = {path: _look_up(facts, path) for path in (rule.reads if rule else ())}
    known = {path: _shown(value) for path, value in read.items() if value is not _ABSENT}
    if answer is True:
        return Verdict(gate.name, "yes", gate.effect, gate.reason, "", known)
    said: Literal["no", "error"] = "no"
    reason = gate.reason
    failing = [gate.rule]
    if isinstance(answer, Failure):
        said, reason = "error", f"{gate.reason} (no answer: {answer.why})"
    elif rule:
        failing = [part for part in rule.parts if answers[part] is not True] or failing
    return Verdict(gate.name, said, gate.effect, reason, _would_change(failing, read), known)


def _would_change(failing: Sequence[str], read: Mapping[str, Any]) -> str:
    """The conditions that do not hold, and the present value of each fact that they read."""
    conditions = " and ".join(f"`{part}`" for part in failing)
    try:
        used = [path for part in failing for path in parse(part).reads]
    except Invalid:
        used = []
    now = [
        f"{path} is not recorded" if read.get(path, _ABSENT) is _ABSENT else f"{path} = {_text(read[path])}"
        for path in dict.fromkeys(used)
    ]
    return f"it needs {conditions}" + (f"; now {', '.join(now)}" if now else "")


def _look_up(facts: Mapping[str, Any], path: str) -> Any:
    value: Any = facts
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:117] + "..."


def _shown(value: Any) -> Any:
    """A fact for the record: small ones as they are, large ones cut."""
    text = _text(value)
    try:
        return json.loads(json.dumps(value, allow_nan=False)) if len(text) < 120 else text
    except (TypeError, ValueError):
        return text


def _touches(one: str, other: str) -> bool:
    """Whether one path is the other, or lies inside it."""
    a, b = one.split("."), other.split(".")
    return a[: len(b)] == b[: len(a)]


def _screen(facts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The facts without those that are too large or not JSON, and why each of those was left out."""
    oversize: dict[str, str] = {}
    spent: dict[str, int] = {}

    def clean(value: Any, path: tuple[str, ...], depth: int) -> Any:
        spent[path[0]] = spent.get(path[0], 0) + 1
        why = _objection(value, depth, spent[path[0]])
        if why:
            oversize[".".join(path)] = why
            return None
        if isinstance(value, Mapping):
            kept = {
                key: clean(each, (*path, key), depth + 1)
                for key, each in value.items()
                if isinstance(key, str)
            }
            return {key: each for key, each in kept.items() if ".".join((*path, key)) not in oversize}
        if isinstance(value, list | tuple):
            # An item has no path of its own: what is wrong with one is wrong with the list.
            return [clean(each, path, depth + 1) for each in value]
        return value

    cleaned = {key: clean(facts[key], (key,), 1) for key in facts}
    return {key: value for key, value in cleaned.items() if key not in oversize}, oversize


def _objection(value: Any, depth: int, spent: int) -> str | None:
    if spent > MAX_VALUES:
        return f"is beyond the {MAX_VALUES} values that gates are given"
    if depth > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, list | tuple | Mapping) and len(value) > MAX_LIST:
        return f"has {len(value)} items, and gates are given at most {MAX_LIST}"
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"has {len(value)} characters, and gates are given at most {MAX_TEXT}"
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return "holds half a character"
    if isinstance(value, int) and not -MAX_WHOLE <= value < MAX_WHOLE:
        return "is a number beyond 64 bits"
    if isinstance(value, float) and value - value != 0:
        return "is not a finite number"
    if value is not None and not isinstance(value, str | bool | int | float | list | tuple | Mapping):
        return f"is a {type(value).__name__}, not a JSON value"
    return None
