"""Rules for branches: which one counts, and what each strategy has ready."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clearway.catalog import Branching, BranchRule, rule_for
from clearway.catalog.branching import fits


@pytest.mark.parametrize(
    ("strategy", "branch", "yields", "environments"),
    [
        ("trunk", "main", "final", None),
        ("trunk", "release/1.4", "final", None),
        ("trunk", "fix-typo", "none", ()),
        ("github-flow", "main", "final", None),
        ("github-flow", "release/1.4", "none", ()),
        ("release-branches", "main", "alpha", None),
        ("release-branches", "release/1.4", "final", None),
        ("gitflow", "main", "final", None),
        ("gitflow", "develop", "alpha", None),
        ("gitflow", "release/1.4", "rc", None),
        ("gitflow", "hotfix/1.4.1", "rc", None),
        ("gitflow", "feature/gifts", "none", ()),
    ],
)
def test_what_each_strategy_says_of_a_branch(
    strategy: str, branch: str, yields: str, environments: tuple[str, ...] | None
) -> None:
    """What its versions are, and where its releases may go."""
    rule = rule_for(Branching(strategy=strategy).all_rules("main"), branch)  # type: ignore[arg-type]
    assert rule is not None
    assert (rule.yields, rule.environments) == (yields, environments)


def test_gitflow_knows_its_branches_and_no_others() -> None:
    """Where a strategy names every kind of branch, another one is unknown."""
    assert rule_for(Branching(strategy="gitflow").all_rules("main"), "wip") is None


def test_own_rules_come_first_and_take_the_place_of_ready_ones() -> None:
    """The first rule that fits counts; one with the same pattern replaces the strategy's."""
    own = (
        BranchRule(branch="release/old-*", yields="none"),
        BranchRule(branch="main", yields="beta", environments=("dev",)),
    )
    rules = Branching(strategy="trunk", rules=own).all_rules("main")
    assert [rule.branch for rule in rules] == ["release/old-*", "main", "release/*", "*"]
    found = rule_for(rules, "main")
    assert found is not None
    assert found.yields == "beta"
    assert Branching(strategy="trunk", trunk="trunk").all_rules("main")[0].branch == "trunk"


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "own"},
        {"strategy": "svn"},
        {"strategy": "trunk", "rules": [{"branch": "a"}, {"branch": "a"}]},
        {"strategy": "trunk", "rules": [{"branch": "-x"}]},
        {"strategy": "trunk", "rules": [{"branch": "a b"}]},
        {"strategy": "trunk", "since": "--upload-pack=x"},
        {"strategy": "trunk", "rules": [{"branch": "a", "yields": "RC 1"}]},
    ],
)
def test_what_is_no_strategy_is_refused(wrong: dict[str, object]) -> None:
    """Nothing that git could take for an option, no rule twice, no strategy without rules."""
    with pytest.raises(ValidationError):
        Branching.model_validate(wrong)


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_star_is_any_text_and_nothing_else_is_special(before: str, after: str) -> None:
    """Whatever a branch is called, a pattern fits it by plain text around the star, and quickly."""
    pattern = before.replace("*", "") + "*" + after.replace("*", "")
    assert fits(pattern, before.replace("*", "") + "anything/at all" + after.replace("*", ""))
    assert not fits("release/*", "x" + before + "release/1")
    assert fits("*" * 60 + "b", "a" * 2000 + "b")
    assert not fits("*a" * 60, "a" * 59)
    assert not fits("*a" * 12 + "*b", "a" * 250)
    assert fits("*a" * 12 + "*", "a" * 250)


@given(st.text("ab/*", min_size=1, max_size=10), st.text("ab/", max_size=12))
def test_stars_mean_what_file_names_mean_by_them(pattern: str, branch: str) -> None:
    """Stars anywhere, alone and side by side, agree with a matcher that somebody else wrote."""
    assert fits(pattern, branch) == fnmatchcase(branch, pattern)
