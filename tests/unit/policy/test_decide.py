"""Decisions: an error is a no, every verdict has a reason, and says what would change it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.integrations.cel import CelEvaluator
from clearway.kernel import Invalid
from clearway.policy import Failure, FakeEvaluator, Gate, check, decide

FACTS: dict[str, Any] = {
    "evidence": {"tests": {"failed": 2, "total": 10}, "sbom": {"present": True}},
    "release": {"version": "1.2.0", "authors": ["dev"]},
    "approvals": {"names": ["dev"], "count": 1},
}


def gate(rule: str, effect: str = "block", name: str = "g") -> Gate:
    return Gate.model_validate({"name": name, "rule": rule, "reason": "Because.", "effect": effect})


@pytest.fixture(scope="module")
def cel() -> Iterator[CelEvaluator]:
    evaluator = CelEvaluator()
    yield evaluator
    evaluator.close()


def test_a_yes_shows_what_it_read(cel: CelEvaluator) -> None:
    """A verdict can be understood later from itself alone."""
    decision = decide([gate("evidence.sbom.present && approvals.count >= 1")], FACTS, cel)
    (verdict,) = decision.verdicts
    assert decision.allowed
    assert (verdict.answer, verdict.reason, verdict.would_change) == ("yes", "Because.", "")
    assert verdict.facts == {"evidence.sbom.present": True, "approvals.count": 1}


def test_a_no_names_the_conditions_that_fail_and_their_facts(cel: CelEvaluator) -> None:
    """What would change the answer is the failing part of the rule, and the value of what it reads now."""
    rule = "evidence.sbom.present && evidence.tests.failed == 0 && evidence.tests.total > 0"
    decision = decide([gate(rule)], FACTS, cel)
    (verdict,) = decision.refusals
    assert not decision.allowed
    assert verdict.answer == "no"
    assert verdict.would_change == "it needs `evidence.tests.failed == 0`; now evidence.tests.failed = 2"


def test_an_error_is_a_no_with_its_cause(cel: CelEvaluator) -> None:
    """A fact that nobody recorded blocks, and is named."""
    decision = decide([gate("evidence.scan.critical == 0")], FACTS, cel)
    (verdict,) = decision.refusals
    assert (verdict.answer, decision.allowed) == ("error", False)
    assert verdict.reason == "Because. (no answer: there is no 'scan')"
    assert verdict.would_change.endswith("; now evidence.scan.critical is not recorded")


def test_a_warning_is_shown_and_lets_pass(cel: CelEvaluator) -> None:
    """The effect decides whether a no stops; the no is told either way."""
    decision = decide([gate("evidence.tests.failed == 0", "warn"), gate("nope", "warn")], FACTS, cel)
    assert decision.allowed
    assert [verdict.answer for verdict in decision.verdicts] == ["no", "error"]
    assert all(verdict.would_change for verdict in decision.verdicts)


def test_no_gates_allow() -> None:
    """An environment without gates asks nothing."""
    fake = FakeEvaluator()
    assert decide([], {}, fake).allowed
    assert fake.asked == []


def test_many_gates_are_one_round_trip_and_refusals_a_second() -> None:
    """A promotion with many gates costs as little as one with few."""
    fake = FakeEvaluator({"a && b": False, "a": True, "b": False})
    gates = [gate("true", name="one"), gate("a && b", name="two"), gate("true", name="three")]
    decision = decide(gates, {}, fake)
    assert [verdict.gate for verdict in decision.verdicts] == ["one", "two", "three"]
    assert [rules for rules, _ in fake.asked] == [("true", "a && b"), ("a", "b")]
    assert decision.verdicts[1].would_change.startswith("it needs `b`; ")


def test_an_evaluator_that_fails_blocks_everything() -> None:
    """Gates fail closed: no evaluator, no promotion."""
    fake = FakeEvaluator({"true": Failure("the evaluator does not start")})
    decision = decide([gate("true")], {}, fake)
    assert not decision.allowed
    assert "does not start" in decision.verdicts[0].reason


def test_a_rule_that_slipped_past_the_check_is_never_evaluated() -> None:
    """A costly rule that was stored by other means is a no, without a try."""
    fake = FakeEvaluator()
    sneaky = Gate.model_construct(
        name="g", rule="a.map(x, a.map(y, y)) == a", reason="Because.", effect="block"
    )
    (verdict,) = decide([sneaky], {"a": [1]}, fake).refusals
    assert verdict.answer == "error"
    assert "inside another comprehension" in verdict.reason
    assert fake.asked == []


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (["x"] * 1001, "has 1001 items"),
        ({str(n): 1 for n in range(1001)}, "has 1001 items"),
        ("x" * 10_001, "has 10001 characters"),
        ([["x"] * 900] * 900, "beyond the 5000 values"),
        ([[[[[[[[[["deep"]]]]]]]]]], "nested deeper"),
        ({"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}, "nested deeper"),
        (2**63, "beyond 64 bits"),
        ("a\ud800", "half a character"),
        (float("nan"), "not a finite number"),
        (float("-inf"), "not a finite number"),
        (object(), "is a object, not a JSON value"),
        ({"inner": ["x" * 10_001]}, "has 10001 characters"),
    ],
)
def test_facts_that_are_too_large_are_a_no_for_who_reads_them(
    cel: CelEvaluator, value: object, why: str
) -> None:
    """Lists, texts and numbers are capped; a cut list could turn a no into a yes, so it is an error."""
    facts = {"big": value, "small": 1}
    reader, other = decide([gate("size(big) >= 0"), gate("small == 1")], facts, cel).verdicts
    assert other.answer == "yes"
    assert reader.answer == "error"
    assert why in reader.reason
    json.dumps(reader.to_json())


HOSTILE = {
    "nested maps": "l.map(x, l.map(y, l.map(z, l.map(w, x + y + z + w)))).size() > 0",
    "giant regex": "'a'.matches('((a{100}){100}){100}')",
    "regex that backtracks": "s.matches('^(x+x+)+y$')",
    "doubling text": "[s]" + ".map(x, x + x + x + x + x + x + x + x)" * 5 + ".size() > 0",
    "doubling list": "[l]" + ".map(x, x + x + x + x + x + x + x + x)" * 5 + ".size() > 0",
    "wide sum": "s" + " + s" * 190 + " == ''",
    "deep ternary": "true ? " * 60 + "true" + " : false" * 60,
    "signs": "!" * 1990 + "true",
    "brackets": "(" * 900 + "true" + ")" * 900,
    "long list": "[" + "1," * 190 + "1].all(x, l.size() > x)",
    "member chain": "a" + ".a" * 190,
}


@pytest.mark.parametrize("rule", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_rules_never_say_more_than_no(cel: CelEvaluator, rule: str) -> None:
    """Whatever it costs, an expensive rule ends in a verdict, and the next rule is answered as ever."""
    facts = {"l": list(range(90)), "s": "x" * 10_000}
    hostile, harmless = decide([gate(rule), gate("size(l) == 90")], facts, cel, 0.3).verdicts
    assert hostile.answer in ("error", "no", "yes")
    if rule in (HOSTILE["nested maps"], HOSTILE["giant regex"], HOSTILE["signs"], HOSTILE["brackets"]):
        assert hostile.answer == "error"
    assert harmless.answer == "yes"


def test_check_names_the_gate_and_asks_the_evaluator(cel: CelEvaluator) -> None:
    """What the guard lets pass and CEL does not know is still found before a promotion."""
    check(gate("a.b == 1"), cel)
    with pytest.raises(Invalid, match=r"gate g: .* at character 7"):
        check(gate("a.b ==", name="g"), cel)
    with pytest.raises(Invalid, match="gate g: the unknown function"):
        check(gate("sise(a) == 1", name="g"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), _JSON))
def test_any_facts_make_a_decision(cel: CelEvaluator, facts: dict[str, Any]) -> None:
    """No value of a fact makes deciding raise, and a gate that reads nothing is not disturbed."""
    decision = decide([gate("a.b == b && size(a) > 0"), gate("true")], facts, cel)
    assert decision.verdicts[1].answer == "yes"
    json.dumps(decision.to_json())


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_gate_says_something(text: str) -> None:
    """A rule or a reason of spaces is refused."""
    with pytest.raises(ValueError, match="rule"):
        Gate(name="g", rule=text, reason="x")
    with pytest.raises(ValueError, match="reason"):
        Gate(name="g", rule="true", reason=text)
