"""What gates need from outside: something that evaluates CEL and cannot be kept busy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
