"""Declaring people and roles, passwords, the first administrator."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from pydantic import BaseModel, ValidationError

from clearway import access, ledger
from clearway.access import RoleDocument, UserDocument
from clearway.kernel import Actor, FixedClock, Invalid, NotFound, Refused
from clearway.storage import Database

from .conftest import PEOPLE

ADMIN, DANA = Actor("admin"), Actor("dana")
GOOD = "correct horse battery"


class Other(BaseModel):
    """A document of another room."""


def actions(database: Database, **conditions: Any) -> list[str]:
    with database.read() as uow:
        return [entry.action for entry in ledger.entries(uow, **conditions).items]


def test_applying_twice_changes_nothing(database: Database) -> None:
    """The second time every diff is "none", and the ledger does not grow."""
    before = actions(database)
    assert len(before) == len(PEOPLE)
    with database.begin() as uow:
        assert {diff.action for diff in access.plan_apply(uow, PEOPLE)} == {"none"}
        assert {diff.action for diff in access.apply(uow, ADMIN, PEOPLE)} == {"none"}
    assert actions(database) == before


def test_a_change_is_planned_applied_and_recorded_with_old_and_new(database: Database) -> None:
    """The plan shows what applying does; the entry holds exactly the changed fields."""
    doc = UserDocument(name="dana", full_name="Dana Devine", email="Dana@shop.example", roles=["viewer"])
    with database.begin() as uow:
        planned = access.plan_apply(uow, [doc])
        assert access.apply(uow, ADMIN, [doc]) == planned
        entry = ledger.entries(uow, subject="user:dana", newest_first=True).items[0]
    assert [(diff.kind, diff.name, diff.action) for diff in planned] == [("User", "dana", "update")]
    old, new = {"role": "developer", "environments": None}, {"role": "viewer", "environments": None}
    assert (entry.action, entry.actor, entry.data) == ("user.changed", "admin", {"grants": [[old], [new]]})


def test_planning_changes_nothing(database: Database) -> None:
    """A dry run leaves no trace."""
    with database.begin() as uow:
        diffs = access.plan_apply(
            uow, [UserDocument(name="new"), RoleDocument(name="r", role="viewer", users=["new"])]
        )
        assert [diff.action for diff in diffs] == ["create", "create"]
        with pytest.raises(NotFound):
            access.user(uow, "new")


@pytest.mark.parametrize(
    "docs",
    [
        [UserDocument(name="x"), UserDocument(name="x")],
        [UserDocument(name="clearway")],
        [UserDocument(name="system")],
        [UserDocument(name="fine"), RoleDocument(name="r", role="viewer", users=["nobody"])],
        [UserDocument(name="admin"), UserDocument(name="bot", account="robot")],
        [UserDocument(name="admin", roles=["admin"], disabled=True), UserDocument(name="bot", disabled=True)],
        [UserDocument(name="fine"), Other()],
    ],
)
def test_what_cannot_be_is_refused_as_a_whole(database: Database, docs: list[BaseModel]) -> None:
    """Twice the same, Clearway's own name, unknown users, no administrator left: nothing is changed."""
    before = actions(database)
    with pytest.raises(Invalid), database.begin() as uow:
        access.apply(uow, ADMIN, docs)
    assert actions(database) == before


def test_only_administrators_declare_people(database: Database) -> None:
    """Whoever could change roles could give themselves any."""
    with pytest.raises(Refused), database.begin() as uow:
        access.apply(uow, DANA, [UserDocument(name="dana", roles=["admin"])])


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Dana"},
        {"name": "../x"},
        {"name": "x", "roles": ["root"]},
        {"name": "x", "roles": [{"role": "viewer", "environments": []}]},
        {"name": "x", "rolls": ["viewer"]},
        {"name": "x", "password": "s3cret"},
        {"name": "x", "account": "god"},
    ],
)
def test_documents_are_strict(fields: dict[str, Any]) -> None:
    """Unknown keys, roles and names are errors; an empty list of environments is not "all"."""
    with pytest.raises(ValidationError):
        UserDocument(**fields)


def test_groups_of_a_user(database: Database) -> None:
    """As declared; a name that nobody has is in none."""
    with database.read() as uow:
        assert access.groups_of(uow, "ana") == ("board",)
        assert access.groups_of(uow, "mallory") == ()


def test_the_first_administrator_is_made_once(tmp_path: Path) -> None:
    """First start gives a token that may administer; later starts change nothing."""
    database = make_database(tmp_path)
    with database.begin() as uow:
        secret = access.bootstrap(uow)
        assert secret is not None
    with database.begin() as uow:
        assert access.bootstrap(uow) is None
        principal = access.authenticate(uow, secret)
        access.require(uow, principal.actor, "platform:apply")
    assert actions(database) == ["user.created", "token.created"]
    database.dispose()


def test_the_first_administrator_may_have_been_declared(database: Database) -> None:
    """A user of that name stays as declared and gets the token."""
    with database.begin() as uow:
        secret = access.bootstrap(uow)
        assert secret is not None
        assert access.authenticate(uow, secret).actor == ADMIN
    assert actions(database)[-1] == "token.created"


def test_ended_administrators_are_let_in_again(tmp_path: Path) -> None:
    """After a year all tokens are gone: the next start makes one, if nobody else can administer."""
    database = make_database(tmp_path)

    def start() -> str | None:
        with database.begin() as uow:
            return access.bootstrap(uow)

    assert start() is not None
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(days=367).total_seconds())
    with database.begin() as uow:
        access.set_password(uow, ADMIN, "admin", GOOD)
    assert start() is None
    with database.begin() as uow:
        uow.connection.exec_driver_sql("update access_user set password = null")
    secret = start()
    assert secret is not None
    assert start() is None
    with database.begin() as uow:
        actor = access.authenticate(uow, secret).actor
        access.require(uow, actor, "platform:apply")
        narrow = access.create_token(uow, actor, scopes=["*:read"])
        access.revoke_token(uow, ADMIN, actor.via)
        assert narrow.token.revoked_at is None
    assert start() is not None
    database.dispose()


def test_a_password_is_set_by_oneself_or_an_administrator(database: Database) -> None:
    """Others are refused; changing one's own takes the current one."""
    with database.begin() as uow:
        with pytest.raises(Refused):
            access.set_password(uow, Actor("ana"), "dana", GOOD)
        access.set_password(uow, DANA, "dana", GOOD)
        with pytest.raises(Refused, match="current password"):
            access.set_password(uow, DANA, "dana", GOOD + "!")
        with pytest.raises(Refused, match="current password"):
            access.set_password(uow, DANA, "dana", GOOD + "!", current="wrong")
        access.set_password(uow, DANA, "dana", GOOD + "!", current=GOOD)
        access.set_password(uow, ADMIN, "dana", GOOD)
        assert access.user(uow, "dana").has_password
    assert (
        actions(database, subject="user:dana", action_prefix="user.password") == ["user.password-changed"] * 3
    )


@pytest.mark.parametrize("password", ["", "short", "x" * 40, "a" * 1025])
def test_a_weak_password_is_refused(database: Database, password: str) -> None:
    """Too short, too long, or one letter over and over."""
    with database.begin() as uow, pytest.raises(Invalid):
        access.set_password(uow, DANA, "dana", password)


def test_robots_have_no_password(database: Database) -> None:
    """They sign in with tokens only."""
    with database.begin() as uow, pytest.raises(Invalid, match="robot"):
        access.set_password(uow, ADMIN, "bot", GOOD)
    with database.begin() as uow, pytest.raises(NotFound):
        access.set_password(uow, ADMIN, "mallory", GOOD)
