"""Tokens only ever narrow: asked of every kind of user, action, scope and place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clearway.access.decide import Judge, Question
from clearway.access.model import ACTIONS, ROLES, Grant, TokenActor, User, expand_scopes
from clearway.kernel import Actor

PLACES = (None, ("dev",), ("prod",), ("dev", "prod"))
USERS = [
    User(f"{role}-{at}", grants=(Grant(role, place),)) for role in ROLES for at, place in enumerate(PLACES)
]
JUDGE = Judge([*USERS, User("nobody"), User("gone", grants=(Grant("admin"),), disabled=True)])

names = st.sampled_from(sorted(JUDGE.users))
actions = st.sampled_from(sorted(ACTIONS))
places = st.sampled_from([None, "dev", "prod", "elsewhere"])
scopes = st.lists(
    st.sampled_from(["*", "*:read", "promotion:*", "token:*", *sorted(ACTIONS)]), min_size=1, max_size=3
)
limits = st.none() | st.lists(st.sampled_from(["dev", "prod", "elsewhere"]), min_size=1).map(frozenset)


def token(name: str, reach: list[str], limit: frozenset[str] | None) -> TokenActor:
    return TokenActor(name, "person", expand_scopes(reach), limit, via="tok_x")


@given(names, actions, places, st.none() | names, st.lists(names, max_size=2), scopes, limits)
def test_a_token_never_does_more_than_its_user(
    name: str,
    action: str,
    place: str | None,
    owner: str | None,
    authors: list[str],
    reach: list[str],
    limit: frozenset[str] | None,
) -> None:
    """What is allowed with a token is allowed to its user, is in scope, and stays in its environments."""
    through = token(name, reach, limit)
    with_token = JUDGE.decide(Question(through, action, place, None, tuple(authors), owner)).allowed
    if not with_token:
        return
    assert JUDGE.decide(Question(Actor(name), action, place, None, tuple(authors), owner)).allowed
    assert action in through.actions
    if (
        limit is not None
        and place is not None
        and action.partition(":")[0] in ("promotion", "deployment", "config")
    ):
        assert place in limit


@given(names, actions, places, st.none() | names, scopes, scopes, limits)
def test_a_narrower_token_never_does_more_than_a_wider_one(
    name: str,
    action: str,
    place: str | None,
    owner: str | None,
    reach: list[str],
    more: list[str],
    limit: frozenset[str] | None,
) -> None:
    """Adding scopes, or lifting the limit to environments, takes nothing away."""
    narrow = JUDGE.decide(Question(token(name, reach, limit), action, place, owner=owner)).allowed
    for wider in (token(name, reach + more, limit), token(name, reach, None)):
        assert JUDGE.decide(Question(wider, action, place, owner=owner)).allowed or not narrow


@given(names, actions, places, names)
def test_nobody_decides_on_their_own_change_or_through_a_disabled_account(
    name: str, action: str, place: str | None, other: str
) -> None:
    """For every user and place: an author's approval is never allowed, nor anything to the disabled."""
    question = Question(Actor(name), "promotion:approve", place, authors=(other, name.upper()))
    assert not JUDGE.decide(question).allowed
    assert not JUDGE.decide(Question(Actor("gone"), action, place)).allowed
