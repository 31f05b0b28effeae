"""Release notes: the same commits give the same bytes, and nobody can bend the page."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from told import Commit, notes, sha

from clearway.changes import render
from clearway.changes.notes import notes_from_json


def test_breaking_changes_come_first_then_the_kinds() -> None:
    """What breaks is told before anything else, in its own words, and again under its kind."""
    page = notes(
        Commit(sha(1), "fix: rounding"),
        Commit(sha(2), "feat(api)!: new answer", "BREAKING CHANGE: `total` is a text"),
        Commit(sha(3), "whatever", author="Bob"),
    )
    page = render(page)
    positions = [
        page.index(word) for word in ("## Breaking", "is a text", "## Features", "## Fixes", "## Other")
    ]
    assert positions == sorted(positions)
    assert "- Ada (2)" in page
    assert "- Bob (1)" in page


def test_a_commit_and_its_revert_cancel_out() -> None:
    """Neither is told; a revert of the revert brings the commit back."""
    first = Commit(sha(1), "feat: gifts")
    back = Commit(sha(2), 'Revert "feat: gifts"', f"This reverts commit {sha(1)}.")
    again = Commit(sha(3), 'Reapply "feat: gifts"', f"This reverts commit {sha(2)}.")
    assert notes(back, first).changes == ()
    assert notes(back, first).cancelled == 2
    assert [each.text for each in notes(again, back, first).changes] == ["gifts"]


def test_a_revert_of_what_ran_before_is_told() -> None:
    """Its commit is not in the difference, so taking it back is news."""
    alone = Commit(sha(2), 'Revert "feat: gifts"', f"This reverts commit {sha(9)}.")
    assert [each.text for each in notes(alone).changes] == ['Revert "feat: gifts"']


def test_merges_and_twins_count_once() -> None:
    """A merge commit repeats its parts; a cherry-pick repeats its original when both are here."""
    original = Commit(sha(1), "fix: leak")
    pick = Commit(sha(2), "fix: leak", f"(cherry picked from commit {sha(1)})")
    merge = Commit(sha(3), "Merge branch 'leak'", parents=("a", "b"))
    told = notes(merge, pick, original)
    assert [each.commit for each in told.changes] == [sha(1)]
    assert told.commits == 3


def test_a_squashed_merge_tells_each_change() -> None:
    """The bullets of a squash are changes of that commit."""
    told = notes(Commit(sha(1), "feat: cart (#12)", "* feat: gifts\n* fix: totals"))
    assert [each.text for each in told.changes] == ["cart (#12)", "gifts", "totals"]


def test_the_difference_is_named() -> None:
    """The page says what it is the difference to."""
    assert "since 1.0.0 (aaaaaaaaaa)" in render(notes(since_version="1.0.0", since_commit="a" * 40))
    assert "the first release here" in render(notes())


HOSTILE = st.text(max_size=80)


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=5))
def test_a_commit_cannot_bend_the_page(texts) -> None:
    """No text of a commit makes a heading, a link or a tag; and notes survive their JSON, digest and all."""
    commits = [Commit(sha(n), subject, body, author) for n, (subject, body, author) in enumerate(texts)]
    told = notes(*commits)
    for line in render(told).splitlines():
        assert line == "" or line.startswith(("# shop", "## ", "- ", "Commit ", "Nothing "))
        if line.startswith("- "):
            plain = line.replace("\\\\", "").replace("\\<", "").replace("\\[", "").replace("\\`", "")
            assert not {"<", "[", "`"} & set(plain)
    assert notes_from_json(told.to_json()) == told
    assert notes_from_json(told.to_json()).digest == notes(*commits).digest
