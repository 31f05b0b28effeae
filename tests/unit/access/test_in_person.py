"""An approval is the approver's own: not of whoever made their token or set their password."""

from __future__ import annotations

import pytest

from clearway import access, ledger
from clearway.access import UserDocument
from clearway.kernel import Actor, Invalid, Refused, Unauthenticated
from clearway.storage import Database

ALICE, BOB = Actor("alice"), Actor("bob")
FIRST, OWN = "chosen by alice", "chosen by bob himself"


@pytest.fixture
def team(database: Database) -> Database:
    with database.begin() as uow:
        people = [UserDocument(name=name, roles=["admin"]) for name in ("alice", "bob")]
        access.apply(uow, Actor("admin"), people)
    return database


def through(database: Database, made: access.NewToken) -> Actor:
    with database.begin() as uow:
        return access.authenticate(uow, made.secret).actor


def token(database: Database, actor: Actor, name: str | None = None) -> access.NewToken:
    with database.begin() as uow:
        return access.create_token(uow, actor, name)


def verdict(database: Database, actor: Actor, action: str = "promotion:approve") -> access.Verdict:
    with database.read() as uow:
        return access.may(uow, actor, action, environment="prod", author_of=["alice"])


@pytest.mark.parametrize("action", sorted(access.PERSONAL_ACTIONS))
def test_a_token_made_for_somebody_else_does_not_speak_for_them(team: Database, action: str) -> None:
    """Alice makes a token for bob: with it she could approve her own change. It does everything else."""
    made = token(team, ALICE, "bob")
    assert made.token.handed_by == "alice"
    said = verdict(team, through(team, made), action)
    assert (said.allowed, said.policy) == (False, "in-person")
    assert "alice" in said.reason
    assert said.todo
    assert verdict(team, through(team, made), "promotion:create").allowed
    assert verdict(team, through(team, token(team, BOB)), action).allowed


def test_a_handed_token_makes_no_better_one(team: Database) -> None:
    """Nor does a token made through it, whatever it says about who made it."""
    handed = through(team, token(team, ALICE, "bob"))
    for_bob = token(team, handed)
    assert for_bob.token.created_by == "bob"
    assert not verdict(team, through(team, for_bob)).allowed
    assert not verdict(team, through(team, token(team, through(team, for_bob)))).allowed


def test_a_session_with_a_password_that_somebody_else_set_does_not_approve(team: Database) -> None:
    """Until its owner has changed it; and a token made in such a session is no better."""
    with team.begin() as uow:
        access.set_password(uow, ALICE, "bob", FIRST)
    opened = access.sign_in(team, "bob", FIRST)
    assert opened.session is not None
    with team.begin() as uow:
        actor = access.session(uow, opened.secret).principal.actor
    assert actor == opened.session.principal.actor == BOB
    assert verdict(team, actor).policy == "in-person"
    assert "Change your password" in verdict(team, actor).todo
    assert not verdict(team, through(team, token(team, actor))).allowed
    with team.begin() as uow, pytest.raises(Invalid, match="the present one"):
        access.set_password(uow, actor, "bob", FIRST, current=FIRST)
    with team.begin() as uow:
        access.set_password(uow, actor, "bob", OWN, current=FIRST)
    again = access.sign_in(team, "bob", OWN)
    assert again.session is not None
    assert verdict(team, again.session.principal.actor).allowed


def test_a_password_set_through_a_handed_token_is_not_the_owners(team: Database) -> None:
    """Alice would otherwise make bob a token, and with it a password."""
    handed = through(team, token(team, ALICE, "bob"))
    with team.begin() as uow:
        access.set_password(uow, handed, "bob", FIRST)
    opened = access.sign_in(team, "bob", FIRST)
    assert opened.session is not None
    assert verdict(team, opened.session.principal.actor).policy == "in-person"


def test_a_first_password_becomes_a_token_of_ones_own_by_changing_it(team: Database) -> None:
    """One step from what the administrator gave to a token that may approve; the first password is dead."""
    with team.begin() as uow:
        access.set_password(uow, ALICE, "bob", FIRST)
    with pytest.raises(Refused, match="set by alice"):
        access.claim_token(team, "bob", FIRST)
    with pytest.raises(Unauthenticated):
        access.claim_token(team, "bob", "wrong", new_password=OWN)
    made = access.claim_token(team, "bob", FIRST, new_password=OWN)
    assert (made.token.user, made.token.created_by, made.token.handed_by) == ("bob", "bob", "")
    assert verdict(team, through(team, made)).allowed
    with pytest.raises(Unauthenticated):
        access.claim_token(team, "bob", FIRST, new_password=OWN)
    assert verdict(team, through(team, access.claim_token(team, "bob", OWN))).allowed


def test_a_password_of_unknown_origin_is_not_the_owners(team: Database) -> None:
    """One that was set before anybody wrote down by whom must be changed."""
    with team.begin() as uow:
        access.set_password(uow, BOB, "bob", OWN)
        uow.connection.exec_driver_sql("update access_user set password_by = null")
    opened = access.sign_in(team, "bob", OWN)
    assert opened.session is not None
    assert not verdict(team, opened.session.principal.actor).allowed


def test_the_first_administrator_approves_with_a_password_of_their_own(team: Database) -> None:
    """The token that the first start writes into a file approves nothing; with it one sets a password."""
    with team.begin() as uow:
        secret = access.bootstrap(uow)
        assert secret is not None
    with team.begin() as uow:
        first = access.authenticate(uow, secret).actor
        access.set_password(uow, first, "admin", OWN)
    assert not verdict(team, first).allowed
    assert verdict(team, through(team, access.claim_token(team, "admin", OWN))).allowed


def test_the_ledger_says_through_which_token(team: Database) -> None:
    """`bob` alone would hide that alice made the token."""
    made = token(team, ALICE, "bob")
    with team.begin() as uow:
        ledger.append(
            uow, access.authenticate(uow, made.secret).actor, "thing.done", "thing:1", data={"a": 1}
        )
        ledger.append(uow, access.authenticate(uow, made.secret).actor, "thing.done", "thing:2")
        ledger.append(uow, BOB, "thing.done", "thing:3")
    with team.read() as uow:
        told = [entry.data for entry in ledger.entries(uow, action_prefix="thing.").items]
        created = ledger.entries(uow, subject=f"token:{made.token.id}").items[0]
    assert told == [{"a": 1, "via": made.token.id}, {"via": made.token.id}, None]
    assert created.data["handed_by"] == "alice"
