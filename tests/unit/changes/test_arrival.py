"""Which changes arrive with a release: each rule of the lead time, on histories made by git."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from repositories import Made

from clearway import source
from clearway.changes import Arrival, KnownArrival, arrivals
from clearway.source import PullRequest

MERGED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    found = Made(tmp_path / "work")
    found.commit({"a": "1"}, "feat: first")
    return found


def pull(number: int, merge_commit: str, commits: Sequence[str]) -> PullRequest:
    return PullRequest(
        repository="shop",
        number=number,
        title="",
        body="",
        author="dev",
        state="merged",
        target="main",
        head=commits[-1] if commits else merge_commit,
        url="",
        labels=(),
        approvers=(),
        commits=tuple(commits),
        updated_at=MERGED,
        merge_commit=merge_commit,
        merged_at=MERGED,
    )


def arrived(
    made: Made, since: Sequence[str], tip: str = "main", pulls: Sequence[PullRequest] = ()
) -> tuple[dict[str, Arrival], dict[str, int]]:
    repo = source.Repo(made.root)
    include = source.resolve(repo, tip)
    new = source.commits_between(repo, since, include)
    ran = source.history(repo, since, without=[include])
    ahead = source.commits_between(repo, [include], source.resolve(repo, "main"))
    originals = {sha: source.commit(repo, sha) for each in pulls for sha in each.commits}
    patches = source.patch_ids(repo, [*new, *ran, *ahead, *originals.values()])
    by_commit: dict[str, list[PullRequest]] = {}
    for each in pulls:
        for sha in (*each.commits, each.merge_commit or ""):
            by_commit.setdefault(sha, []).append(each)
    known = KnownArrival(patches, ran, ahead, by_commit, originals)
    found, left_out = arrivals(include, new, known, repo.is_behind)
    return {each.sha: each for each in found}, left_out


def test_what_is_new_arrives_since_it_was_committed(made: Made) -> None:
    """The set difference of all commits, not of the first parents alone."""
    base = made.git("rev-parse", "HEAD")
    made.git("checkout", "--quiet", "-b", "topic")
    side = made.commit({"b": "1"}, "feat: side")
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "topic", "-m", "Merge branch 'topic'")
    merge = made.git("rev-parse", "HEAD")
    found, left_out = arrived(made, [base])
    assert found.keys() == {side, merge}
    assert left_out == {}
    assert found[side].how == ""
    assert found[side].merged_at == found[merge].committed_at == found[merge].merged_at


def test_a_cherry_pick_is_on_its_way_since_its_original(made: Made) -> None:
    """Picked onto a release branch, the change is as old as where it was first committed."""
    base = made.git("rev-parse", "HEAD")
    fix = made.commit({"fix": "1"}, "fix: prices")
    at = source.commit(source.Repo(made.root), fix).committed_at
    made.git("checkout", "--quiet", "-b", "release", base)
    made.commit({"other": "1"}, "chore: release notes")
    made.git("cherry-pick", fix)
    picked = made.git("rev-parse", "HEAD")
    found, _ = arrived(made, [base], "release")
    assert found[picked].committed_at == at
    assert fix[:10] in found[picked].how


def test_what_ran_as_a_cherry_pick_does_not_arrive_again(made: Made) -> None:
    """When the trunk is released later, the picked change is no news; what was never there is."""
    base = made.git("rev-parse", "HEAD")
    fix = made.commit({"fix": "1"}, "fix: prices")
    more = made.commit({"more": "1"}, "feat: more")
    made.git("checkout", "--quiet", "-b", "release", base)
    made.commit({"other": "1"}, "chore: release notes")
    made.git("cherry-pick", fix)
    found, left_out = arrived(made, [base, made.git("rev-parse", "HEAD")])
    assert found.keys() == {more}
    assert left_out == {"ran already as a cherry-pick": 1}


def test_a_revert_is_its_own_change_and_so_is_what_is_made_again(made: Made) -> None:
    """Undoing arrives, and doing it again arrives too, though its patch ran before."""
    first = made.commit({"gift": "1"}, "feat: gifts")
    made.git("revert", "--no-edit", first)
    undone = made.git("rev-parse", "HEAD")
    made.git("cherry-pick", first)
    again = made.git("rev-parse", "HEAD")
    found, left_out = arrived(made, [first])
    assert found.keys() == {undone, again}
    assert left_out == {}


def test_one_patch_on_two_merged_branches_counts_once(made: Made) -> None:
    """The older of the two."""
    base = made.git("rev-parse", "HEAD")
    fix = made.commit({"fix": "1"}, "fix: prices")
    made.git("checkout", "--quiet", "-b", "release", base)
    made.commit({"other": "1"}, "chore: notes")
    made.git("cherry-pick", fix)
    picked = made.git("rev-parse", "HEAD")
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "release", "-m", "Merge branch 'release'")
    found, left_out = arrived(made, [base])
    assert fix in found
    assert picked not in found
    assert left_out == {"the same patch twice": 1}


def test_a_squashed_pull_request_is_its_own_commits(made: Made) -> None:
    """Each since it was committed, merged when the forge said; the squash itself is none."""
    base = made.git("rev-parse", "HEAD")
    made.git("checkout", "--quiet", "-b", "topic")
    own = [made.commit({"b": "1"}, "feat: one"), made.commit({"c": "1"}, "feat: two")]
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--squash", "topic")
    squash = made.commit({}, "feat: both (#7)")
    found, _ = arrived(made, [base], pulls=[pull(7, squash, own)])
    assert found.keys() == set(own)
    assert {each.merged_at for each in found.values()} == {MERGED}
    assert all("#7" in each.how for each in found.values())


def test_a_squash_whose_commits_nobody_knows_is_said_to_be_one(made: Made) -> None:
    """The one commit counts, and is flagged."""
    base = made.git("rev-parse", "HEAD")
    squash = made.commit({"b": "1"}, "feat: both (#7)")
    found, _ = arrived(made, [base], pulls=[pull(7, squash, [])])
    assert found.keys() == {squash}
    assert found[squash].how == "#7 as a whole: its own commits are not known"


def test_a_rebased_pull_request_is_as_old_as_its_commits(made: Made) -> None:
    """Rebasing makes commits anew; they were on their way since the first ones."""
    base = made.git("rev-parse", "HEAD")
    made.git("checkout", "--quiet", "-b", "topic")
    own = [made.commit({"b": "1"}, "feat: one"), made.commit({"c": "1"}, "feat: two")]
    made.git("checkout", "--quiet", "main")
    made.commit({"d": "1"}, "feat: meanwhile")
    made.git("cherry-pick", *own)
    line = made.git("rev-list", "-2", "HEAD").split()
    found, _ = arrived(made, [base], pulls=[pull(8, line[0], own)])
    times = [source.commit(source.Repo(made.root), sha).committed_at for sha in own]
    assert [found[sha].committed_at for sha in reversed(line)] == times


def test_a_merged_pull_request_with_its_commits_counts_them(made: Made) -> None:
    """A true merge has them in its history: nothing has to be put in their place."""
    base = made.git("rev-parse", "HEAD")
    made.git("checkout", "--quiet", "-b", "topic")
    own = [made.commit({"b": "1"}, "feat: one")]
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "topic", "-m", "Merge pull request #9 from dev/topic")
    merge = made.git("rev-parse", "HEAD")
    found, _ = arrived(made, [base], pulls=[pull(9, merge, own)])
    assert found.keys() == {*own, merge}
    assert found[own[0]].how == ""
