"""Histories held against the rules of their branches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from repositories import Made

from clearway.catalog import Branching, Versioning
from clearway.source import Repo
from clearway.source.branching import Case, Judged
from clearway.source.signatures import UNSIGNED, Signature

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path / "work")
    found.commit({"a": "1"}, "feat: first")
    return found


def judged(
    made: Made,
    strategy: str = "trunk",
    reviewed: Sequence[str] = (),
    signed: Sequence[str] = (),
    **more: object,
) -> Judged:
    branching = Branching.model_validate({"strategy": strategy, **more})
    return Case(
        Repo(made.root),
        branching,
        "main",
        Versioning(),
        NOW,
        lambda shas: {sha: Signature("good", "dana") if sha in signed else UNSIGNED for sha in shas},
        lambda shas: set(reviewed) & set(shas),
    ).judge()


def told(found: Judged) -> list[tuple[str, str, str]]:
    return [(each.rule, each.branch, each.subject) for each in found.violations]


def on(made: Made, branch: str, *words: str) -> None:
    made.git("checkout", "--quiet", *words, branch)


def test_a_commit_on_a_release_branch_that_never_reached_trunk(made: Made) -> None:
    """Fixed only where it is released: the next release from the trunk would have it again."""
    on(made, "release/1.0", "-b")
    made.commit({"b": "1"}, "fix: only here")
    assert told(judged(made)) == [("never reached", "release/1.0", "fix: only here")]


def test_cherry_picks_and_merges_reach_trunk(made: Made) -> None:
    """By patch-id in either direction, by the line that -x leaves after a conflict, or by a merge."""
    fix = made.commit({"fix": "1"}, "fix: on trunk first")
    on(made, "release/1.0", "-b")
    made.git("reset", "--hard", "--quiet", "HEAD~1")
    made.git("cherry-pick", fix)
    here = made.commit({"back": "1"}, "fix: on the release first")
    hard = made.commit({"a": "release"}, "fix: differently there")
    on(made, "main")
    made.git("cherry-pick", here)
    made.commit({"a": "trunk"}, f"fix: differently there\n\n(cherry picked from commit {hard})")
    assert told(judged(made)) == []
    on(made, "release/1.0")
    made.commit({"c": "1"}, f"fix: by another patch\n\n(cherry picked from commit {fix})")
    assert told(judged(made)) == []
    made.commit({"d": "1"}, "fix: merged back")
    assert len(told(judged(made))) == 1
    on(made, "main")
    made.git("merge", "--quiet", "--no-ff", "-X", "ours", "release/1.0", "-m", "Merge branch 'release/1.0'")
    assert told(judged(made)) == []


def test_a_hotfix_that_was_not_merged_back(made: Made) -> None:
    """GitFlow: what came to main through a hotfix must come to develop too."""
    made.git("branch", "develop")
    on(made, "hotfix/1.0.1", "-b")
    made.commit({"b": "1"}, "fix: urgent")
    on(made, "main")
    made.git("merge", "--quiet", "--no-ff", "hotfix/1.0.1", "-m", "Merge branch 'hotfix/1.0.1'")
    made.git("branch", "-D", "hotfix/1.0.1")
    assert told(judged(made, "gitflow")) == [("never reached", "main", "fix: urgent")]
    on(made, "develop")
    made.git("merge", "--quiet", "--no-ff", "main", "-m", "Merge branch 'main' into develop")
    assert told(judged(made, "gitflow")) == []


def test_what_was_merged_from_where_it_may_not_come(made: Made) -> None:
    """GitFlow: main takes releases and hotfixes, not features."""
    made.git("branch", "develop")
    on(made, "feature/x", "-b")
    made.commit({"b": "1"}, "feat: x")
    on(made, "main")
    made.git("merge", "--quiet", "--no-ff", "feature/x", "-m", "Merge pull request #7 from someone/feature/x")
    on(made, "develop")
    made.git("merge", "--quiet", "main")
    found = judged(made, "gitflow")
    assert [each[:2] for each in told(found)] == [("merged from elsewhere", "main")]
    assert "feature/x was merged into main" in found.violations[0].why


def test_a_tag_off_its_branch(made: Made) -> None:
    """A final version belongs on a branch that yields some; other tags are nobody's business."""
    made.git("tag", "v1.0.0")
    on(made, "wip", "-b")
    made.commit({"b": "1"}, "feat: half")
    made.git("tag", "v1.1.0")
    made.git("tag", "tested")
    assert told(judged(made)) == [("tag off its branch", "v1.1.0", "feat: half")]
    on(made, "main")
    made.git("merge", "--quiet", "wip")
    assert told(judged(made)) == []


def test_a_prerelease_may_come_from_any_branch_that_yields_versions(made: Made) -> None:
    """A final version needs a branch that yields final ones; a prerelease is content with a channel's."""
    on(made, "main")
    made.commit({"b": "1"}, "feat: soon")
    made.git("tag", "v1.1.0-alpha.1")
    assert told(judged(made, "release-branches")) == []
    made.git("tag", "v1.1.0")
    assert [each[:2] for each in told(judged(made, "release-branches"))] == [("tag off its branch", "v1.1.0")]


def test_unsigned_and_unreviewed_commits_where_a_rule_wants_them(made: Made) -> None:
    """Each is told once, on a branch that yields versions; topics may be as they are."""
    first = made.git("rev-parse", "HEAD")
    second = made.commit({"b": "1"}, "feat: second")
    on(made, "topic", "-b")
    made.commit({"c": "1"}, "feat: topic")
    assert told(judged(made)) == []
    rule = {"branch": "main", "yields": "final", "signed": True, "reviewed": True}
    found = judged(made, signed=[first], reviewed=[second], rules=[rule])
    assert told(found) == [("not signed", "main", "feat: second"), ("not reviewed", "main", "feat: first")]
    assert told(judged(made, since=second, rules=[{"branch": "main", "signed": True}])) == []


def test_unknown_branches_and_targets_that_are_not_there(made: Made) -> None:
    """A branch that no rule knows, and a rule that names a branch which does not exist."""
    made.git("branch", "wip")
    assert told(judged(made, "gitflow")) == [
        ("no such branch", "main", "feat: first"),
        ("unknown branch", "wip", "feat: first"),
    ]


def test_a_commit_has_the_time_that_the_rule_gives_it(made: Made) -> None:
    """Within its time nothing is late."""
    on(made, "release/1.0", "-b")
    made.commit({"b": "1"}, "fix: fresh")
    rule = {"branch": "release/*", "yields": "final", "reaches": ["main"]}
    assert told(judged(made, rules=[{**rule, "within": "20h"}])) == []
    assert len(told(judged(made, rules=[{**rule, "within": "2h"}]))) == 1


def test_branches_of_strangers_have_any_name(made: Made) -> None:
    """Names that look like options, code or paths are names."""
    for name in ("a;rm", "$(id)", "x'y", "<b>", "ünï", "a@b", "refs/heads/x"):
        made.git("branch", name)
    assert [each for each in told(judged(made, "gitflow")) if each[0] == "unknown branch"]
    assert judged(made).whole
