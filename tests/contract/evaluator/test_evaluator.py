"""What every Evaluator promises, asked of the fake and of CEL in its process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from clearway.integrations.cel import CelEvaluator
from clearway.policy import Evaluator, Failure, FakeEvaluator

FACTS = {"a": {"b": 2, "items": list(range(90)), "text": "x" * 10_000}}


@dataclass(frozen=True)
class Harness:
    evaluator: Evaluator
    yes: str
    no: str
    broken: str  # reads what is not there
    number: str  # neither true nor false
    hangs: str
    bursts: str  # ends the process that evaluates it
    nonsense: str = "a.b >"


@pytest.fixture(params=["fake", "cel"])
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    if request.param == "fake":
        answers = {
            "b is two": lambda facts: bool(facts["a"]["b"] == 2),
            "b is three": lambda facts: bool(facts["a"]["b"] == 3),
            "broken": lambda facts: bool(facts["nope"]),
            "number": lambda facts: facts["a"]["b"],
            "hangs": Failure("it took longer than 0.3 s"),
            "bursts": Failure("it ended the evaluator"),
        }
        yield Harness(FakeEvaluator(answers), "b is two", "b is three", "broken", "number", "hangs", "bursts")
        return
    evaluator = CelEvaluator()
    yield Harness(
        evaluator,
        "a.b == 2",
        "a.b == 3",
        "a.nope == 1",
        "a.b",
        "a.items.all(x, a.items.all(y, a.items.all(z, a.items.all(w, x + y + z + w >= 0))))",
        "[a.text]" + ".map(x, x + x)" * 60 + ".size() > 0",
    )
    evaluator.close()


def test_answers_come_one_a_rule_in_order(harness: Harness) -> None:
    """Many rules share one round trip, and each has its own answer."""
    rules = [harness.yes, harness.no, harness.yes]
    assert list(harness.evaluator.evaluate(rules, FACTS)) == [True, False, True]
    assert list(harness.evaluator.evaluate([], FACTS)) == []


def test_what_is_not_true_or_false_is_a_failure(harness: Harness) -> None:
    """A missing fact or a number never counts as a yes, and does not disturb the rules beside it."""
    rules = [harness.broken, harness.yes, harness.number, harness.nonsense, harness.no]
    answers = harness.evaluator.evaluate(rules, FACTS)
    assert [type(answer) for answer in answers] == [Failure, bool, Failure, Failure, bool]
    assert all(answer.why for answer in answers if isinstance(answer, Failure))


def test_a_rule_that_hangs_fails_and_the_others_are_answered(harness: Harness) -> None:
    """Nobody waits for a rule that does not end, not even the rules after it."""
    answers = harness.evaluator.evaluate([harness.yes, harness.hangs, harness.no], FACTS, 0.3)
    assert answers[0] is True
    assert answers[1] == Failure("it took longer than 0.3 s")
    assert answers[2] is False


def test_a_rule_that_ends_the_process_fails_and_the_others_are_answered(harness: Harness) -> None:
    """Running out of memory is an answer for one rule, not the end of the evaluator."""
    answers = harness.evaluator.evaluate([harness.bursts, harness.yes], FACTS, 20)
    # On a busy machine its time can run out before its memory does: its own answer, either way.
    assert answers[1] is True
    assert answers[0] in (Failure("it ended the evaluator"), Failure("it took longer than 20 s"))
    assert list(harness.evaluator.evaluate([harness.no], FACTS)) == [False]


def test_many_rules_that_hang_end_in_bounded_time(harness: Harness) -> None:
    """The whole call gives up after a few time-outs; what was not reached is a failure too."""
    answers = harness.evaluator.evaluate([harness.hangs] * 30, FACTS, 0.1)
    assert len(answers) == 30
    assert all(isinstance(answer, Failure) for answer in answers)


def test_the_syntax_is_checked_without_facts(harness: Harness) -> None:
    """A gate that is not CEL is found when it is applied."""
    assert harness.evaluator.syntax_error(harness.yes) is None
    assert harness.evaluator.syntax_error(harness.nonsense)
