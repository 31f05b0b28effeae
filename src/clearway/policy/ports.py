"""What gates need from outside: something that evaluates CEL and cannot be kept busy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Failure:
    """A rule that gave no answer, and why."""

    why: str


class Evaluator(Protocol):
    """Evaluates rules over facts."""

    def evaluate(
        self, rules: Sequence[str], facts: Mapping[str, Any], timeout_s: float = 0.5
    ) -> Sequence[bool | Failure]:
        """One answer a rule, in order, over the same facts (JSON values only).

        Never raises for what a rule or a fact holds: whatever is not true or false is a Failure, also a rule
        that takes longer than `timeout_s`, that exhausts memory, or that ends the evaluating process; the
        other rules are still answered. The whole call takes at most about four times `timeout_s`.
        """
        ...

    def syntax_error(self, rule: str) -> str | None:
        """Why the rule is not CEL; None when it is. Same promises."""
        ...


class FakeEvaluator:
    """An Evaluator that was told its answers: a value, a Failure, or a function of the facts."""

    def __init__(
        self, answers: Mapping[str, bool | Failure | Callable[[Mapping[str, Any]], bool]] | None = None
    ) -> None:
        self.answers = {"true": True, "false": False, **(answers or {})}
        self.asked: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []  # each round trip

    def evaluate(
        self, rules: Sequence[str], facts: Mapping[str, Any], timeout_s: float = 0.5
    ) -> Sequence[bool | Failure]:
        """What it was told; a Failure for what it was not."""
        self.asked.append((tuple(rules), facts))
        return [self._answer(rule, facts) for rule in rules]

    def syntax_error(self, rule: str) -> str | None:
        """Only what it was told is its language."""
        return None if rule in self.answers else f"the fake does not know `{rule}`"

    def _answer(self, rule: str, facts: Mapping[str, Any]) -> bool | Failure:
        answer = self.answers.get(rule, Failure(f"the fake does not know `{rule}`"))
        if isinstance(answer, bool | Failure):
            return answer
        try:
            said = answer(facts)
        except (LookupError, TypeError) as error:
            return Failure(f"there is no {error}")
        return said if isinstance(said, bool) else Failure("neither true nor false")
