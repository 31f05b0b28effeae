"""Whether a step runs: its `when`, a rule over what is known of the build."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from clearway import policy
from clearway.build.model import BuildFailed
from clearway.build.work import Work

from .nodes import Node


def facts_of(work: Work) -> dict[str, Any]:
    """What conditions may speak of, but for `matrix` and `failed`."""
    ref = work.build.ref
    name = ref.removeprefix("refs/tags/").removeprefix("refs/heads/")
    tag = name if not ref.startswith("refs/heads/") and work.repo.reference(f"refs/tags/{name}") else ""
    branch = name if not tag and work.repo.reference(f"refs/heads/{name}") else ""
    return {
        "ref": ref,
        "branch": branch,
        "tag": tag,
        "version": work.facts.version,
        "service": work.build.service,
        "landed": work.facts.landed,
        "trial": work.build.trial,
    }


class Conditions:
    """Asks the evaluator of gates: it is guarded against what a stranger may write."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return facts_of(self._work)  # most steps have no rule, and then nobody asks git

    def hold(self, node: Node, *, failed: bool) -> bool:
        """Whether the step runs; without a rule of its own, when nothing failed. Raises BuildFailed."""
        rule = node.step.when
        if rule is None:
            return not failed
        facts = {**self._facts, "matrix": dict(node.values), "failed": failed}
        (answer,) = self._work.database.tool(policy.Evaluator).evaluate([rule], facts)
        if isinstance(answer, policy.Failure):
            raise BuildFailed(
                f"the condition of step {node.name} has no answer: {answer.why}",
                expected=f"a rule over {', '.join(sorted(facts))}",
            )
        return answer
