"""Which branches there are, what may happen on them, and where their releases may go. Pure.

A strategy is a list of rules for branches; the named ones are lists that are ready. A rule of the service's
own with the same branch takes a ready one's place, any other comes before them; the first that fits counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from clearway.kernel import Document, Duration, Name

Strategy = Literal["trunk", "gitflow", "github-flow", "release-branches", "own"]
Pattern = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_+=*][A-Za-z0-9_+=*.@/#-]*$")
]
Yields = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,39}$")]
FINAL, NOTHING = "final", "none"
_MOST_RULES = 50


class BranchRule(Document):
    """What holds for the branches that a pattern fits."""

    branch: Pattern
    """The branch; `*` stands for any text, as in `release/*`."""
    yields: Yields = NOTHING
    """What its versions are: `final`, `none`, or the channel of its prereleases, such as rc."""
    environments: tuple[Name, ...] | None = None
    """Where releases of its commits may go; everywhere when left out."""
    reaches: tuple[Pattern, ...] = ()
    """Branches that each of its commits must reach too, merged or cherry-picked."""
    within: Duration = timedelta(0)
    """How long a commit may take to get there."""
    takes: tuple[Pattern, ...] | None = None
    """Branches that may be merged into it; any when left out."""
    signed: bool | None = None
    """Whether its commits must be signed with a declared key; as the strategy says when left out."""
    reviewed: bool | None = None
    """Whether its commits need a pull request that somebody else approved; as the strategy says if unset."""


class Branching(Document):
    """How branches are used."""

    strategy: Strategy
    """trunk, gitflow, github-flow, release-branches, or own."""
    trunk: str = Field(default="", max_length=200)
    """The branch that everything comes to; the service's `branch` when left out."""
    rules: tuple[BranchRule, ...] = Field(default=(), max_length=_MOST_RULES)
    """Rules of one's own, before the strategy's; with `own` there are no others."""
    since: str = Field(default="", max_length=255, pattern=r"^([A-Za-z0-9_+=][A-Za-z0-9_+=.@/#-]*)?$")
    """A tag or commit: what its history has was there before these rules, and is not judged."""
    signed: bool = False
    """Whether commits on branches that yield versions must be signed with a declared key."""
    reviewed: bool = False
    """Whether commits on branches that yield versions need a pull request that somebody else approved."""

    @model_validator(mode="after")
    def _whole(self) -> Branching:
        if self.strategy == "own" and not self.rules:
            raise ValueError("`own` without `rules`; expected at least one rule")
        seen = [rule.branch for rule in self.rules]
        if len(set(seen)) != len(seen):
            raise ValueError("two rules for one branch pattern; expected one for each")
        return self

    def all_rules(self, branch: str) -> tuple[BranchRule, ...]:
        """Own and ready rules, the first that fits counts; `branch` is the service's, for the trunk."""
        trunk = self.trunk or branch
        mine = {rule.branch for rule in self.rules}
        ready = [rule for rule in _ready(self.strategy, trunk) if rule.branch not in mine]
        return (*self.rules, *ready)


def rule_for(rules: Sequence[BranchRule], branch: str) -> BranchRule | None:
    """The rule of a branch; None when no rule knows it."""
    return next((rule for rule in rules if fits(rule.branch, branch)), None)


def fits(pattern: str, branch: str) -> bool:
    """Whether a pattern stands for a branch."""
    first, *rest = _parts(pattern)
    if not rest:
        return branch == first
    *middle, last = rest
    if len(branch) < len(first) + len(last) or not branch.startswith(first) or not branch.endswith(last):
        return False
    # Each part as early as it comes, and never looked for again: no branch's name can make this slow.
    at, end = len(first), len(branch) - len(last)
    for part in middle:
        found = branch.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


@lru_cache(maxsize=1000)
def _parts(pattern: str) -> tuple[str, ...]:
    """The plain text between stars; stars side by side are one."""
    return tuple(re.split(r"\*+", pattern))


def _ready(strategy: Strategy, trunk: str) -> tuple[BranchRule, ...]:
    """A strategy's own rules."""
    topics = BranchRule(branch="*", environments=())
    match strategy:
        case "trunk":
            # Work happens on the trunk; a release branch is cut from it and gets cherry-picks of its commits.
            return (
                BranchRule(branch=trunk, yields=FINAL),
                BranchRule(branch="release/*", yields=FINAL, reaches=(trunk,), takes=("release/*",)),
                topics,
            )
        case "github-flow":
            return (BranchRule(branch=trunk, yields=FINAL), topics)
        case "release-branches":
            # The trunk makes prereleases; releases come from their branches, whose fixes the trunk has too.
            return (
                BranchRule(branch=trunk, yields="alpha"),
                BranchRule(branch="release/*", yields=FINAL, reaches=(trunk,)),
                topics,
            )
        case "gitflow":
            taken = ("release/*", "hotfix/*", "support/*")
            return (
                BranchRule(branch=trunk, yields=FINAL, reaches=("develop",), takes=taken),
                BranchRule(branch="develop", yields="alpha"),
                BranchRule(branch="release/*", yields="rc", takes=("develop", "release/*", "bugfix/*")),
                BranchRule(branch="hotfix/*", yields="rc", takes=(trunk, "hotfix/*")),
                BranchRule(branch="support/*", yields=FINAL),
                *(BranchRule(branch=f"{kind}/*", environments=()) for kind in ("feature", "bugfix")),
            )
        case _:
            return ()
