"""News of a pull request in any order leave the same facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clearway.source import PullRequest, Review, Verdict
from clearway.source.pulls import approvers, combined

AT = datetime(2026, 1, 5, tzinfo=UTC)
ONE, TWO, LEFT = "1" * 40, "2" * 40, "3" * 40
TOLD = PullRequest(
    repository="shop",
    number=7,
    title="Prices",
    body="They were wrong.",
    author="dev",
    state="open",
    target="main",
    head=ONE,
    url="https://git.example/shop/7",
    labels=("fix",),
    approvers=(),
    commits=(),
    updated_at=AT,
)


def after(seconds: int, **more: object) -> PullRequest:
    return replace(TOLD, updated_at=AT + timedelta(seconds=seconds), **more)  # type: ignore[arg-type]


def review(
    seconds: int, verdict: Verdict = "approved", commit: str = ONE, who: str = "rita", standing: bool = False
) -> Review:
    return Review("shop", 7, who, AT + timedelta(seconds=seconds), verdict, commit, standing)


STORY = (
    after(0, commits=(ONE,)),
    after(1, title="Prices!", author=""),
    after(2, head=TWO, title="Prices, twice"),
    after(3, head=TWO, state="merged", merged_by="rita", merged_at=AT, merge_commit=LEFT),
    after(4, head=TWO, state="merged", title="Prices, at last", labels=("fix", "done"), author=""),
)
MEANT = replace(STORY[-1], author="dev", merged_by="rita", merged_at=AT, merge_commit=LEFT)


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=4))
def test_the_order_of_news_does_not_matter(news: list[PullRequest], again: list[PullRequest]) -> None:
    """Every order, and some of it twice: the newest says how it stands, and what only an older one knew, who
    merged it and what that left, is not lost."""
    known = None
    for each in [*news, *again]:
        known = combined(known, each)
    assert known == MEANT


def test_commits_belong_to_the_head_that_they_were_told_with() -> None:
    """When the branch goes on, the commits that were told before are not taken for the new ones."""
    known = combined(after(0, commits=(ONE,)), after(1, title="x"))
    assert known.commits == (ONE,)
    assert combined(known, after(2, head=TWO)).commits == ()


def test_at_one_moment_merged_is_last() -> None:
    """Forges tell moments by the second: what was merged does not become open again."""
    merged = after(0, state="merged")
    assert combined(merged, TOLD).state == "merged"
    assert combined(TOLD, merged).state == "merged"
    assert combined(TOLD, after(0, state="closed")).state == "closed"


def test_an_approval_is_for_its_commit() -> None:
    """Who approved what the branch had before has not approved what it has now."""
    assert approvers([review(1)], ONE) == ("rita",)
    assert approvers([review(1)], TWO) == ()
    assert approvers([review(1), review(2, commit=TWO), review(1, who="quin")], TWO) == ("rita",)


VERDICTS = (
    review(0),
    review(1, "refused"),
    review(2, "approved", TWO),
    review(0, "approved", TWO, who="quin"),
    review(3, "withdrawn", TWO, who="quin"),
    review(4, "approved", TWO, who="otto"),
)


@given(st.permutations(VERDICTS), st.lists(st.sampled_from(VERDICTS), max_size=3))
def test_the_order_of_verdicts_does_not_matter(told: list[Review], again: list[Review]) -> None:
    """Each reviewer's newest verdict counts, whenever it was heard of."""
    assert approvers([*told, *again], TWO) == ("otto", "rita")


@given(st.permutations([review(0), review(0, "withdrawn"), review(0, "refused")]))
def test_at_one_moment_an_approval_is_not_the_last_word(told: list[Review]) -> None:
    """A dismissal carries the moment of the review that it dismisses."""
    assert approvers(told, ONE) == ()


@given(
    st.permutations(
        [
            review(0, commit=ONE, standing=True),
            review(1, commit=TWO, standing=True),
            review(2, commit=TWO, standing=True),
        ]
    )
)
def test_a_vote_that_only_stands_was_not_given_anew(told: list[Review]) -> None:
    """Azure repeats each vote with every event: one given before a push is not for the new commit."""
    assert approvers(told, TWO) == ()
    assert approvers(told, ONE) == ("rita",)
    again = [*told, review(3, "withdrawn", TWO, standing=True), review(4, commit=TWO, standing=True)]
    assert approvers(again, TWO) == ("rita",)
