"""API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clearway import access, ledger
from clearway.access import UserDocument
from clearway.kernel import Actor, FixedClock, Invalid, NotFound, Refused, Unauthenticated
from clearway.storage import Database

ADMIN, DANA, ANA, AUDRA = Actor("admin"), Actor("dana"), Actor("ana"), Actor("audra")


def make(database: Database, actor: Actor = DANA, user: str | None = None, **more: Any) -> access.NewToken:
    with database.begin() as uow:
        return access.create_token(uow, actor, user, **more)


def who(database: Database, secret: str) -> access.Principal:
    with database.begin() as uow:
        return access.authenticate(uow, secret)


def clock_of(database: Database) -> FixedClock:
    assert isinstance(database.clock, FixedClock)
    return database.clock


def test_a_token_is_its_user(database: Database) -> None:
    """Showing the secret gives the actor, the scopes and the token's id."""
    made = make(database, scopes=["promotion:*", "*:read"], label="ci")
    principal = who(database, made.secret)
    assert (principal.actor, principal.scopes, principal.token_id) == (
        DANA,
        ("promotion:*", "*:read"),
        made.token.id,
    )
    assert made.secret.startswith("cwy_")
    robot = make(database, ADMIN, "bot")
    assert who(database, robot.secret).actor == Actor("bot", "robot")


def test_no_secret_rests_anywhere(database: Database) -> None:
    """Neither tables nor ledger nor a printed object hold what was given out."""
    made = make(database, label="ci")
    secret = made.secret.rpartition("_")[2]
    with database.read() as uow:
        for table in ("access_token", "ledger_entry"):
            rows = uow.connection.execute(sa.text(f"select * from {table}")).all()  # noqa: S608
            assert rows
            assert secret not in str(rows)
    assert secret not in repr(made)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: "",
        lambda secret: "cwy_",
        lambda secret: "cwy__",
        lambda secret: secret[:-1],
        lambda secret: secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        lambda secret: secret.replace("cwy", "cwx"),
        lambda secret: secret.upper(),
        lambda secret: secret + "\ud800",
        lambda secret: "cwy_" + "0" * 26 + "_" + secret.rpartition("_")[2],
        lambda secret: "ä" * 1000,
    ],
)
def test_anything_but_the_exact_secret_is_unknown(database: Database, spoil: Any) -> None:
    """And the answer does not tell which part was wrong."""
    made = make(database)
    with pytest.raises(Unauthenticated, match="the token is unknown"):
        who(database, spoil(made.secret))


def test_a_token_ends(database: Database) -> None:
    """When it expires, when it is revoked, when its user is disabled; each says so."""
    expiring, revoked, disabled = (
        make(database, expires_in=timedelta(hours=1)),
        make(database),
        make(database, ANA),
    )
    with database.begin() as uow:
        access.revoke_token(uow, DANA, revoked.token.id, reason="lost")
        access.apply(uow, ADMIN, [UserDocument(name="ana", disabled=True)])
    with pytest.raises(Unauthenticated, match="revoked"):
        who(database, revoked.secret)
    with pytest.raises(Unauthenticated, match="disabled"):
        who(database, disabled.secret)
    clock_of(database).advance(3599)
    assert who(database, expiring.secret).actor == DANA
    clock_of(database).advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        who(database, expiring.secret)


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_in": timedelta(0)},
        {"expires_in": timedelta(days=367)},
        {"scopes": []},
        {"scopes": ["promotion:fly"]},
        {"environments": []},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(database: Database, wrong: dict[str, Any]) -> None:
    """It always ends, and always reaches something."""
    with pytest.raises(Invalid):
        make(database, **wrong)


def test_tokens_of_others_take_a_role(database: Database) -> None:
    """Only administrators make and revoke them; auditors see them."""
    theirs = make(database, ANA)
    with pytest.raises(Refused):
        make(database, DANA, "ana")
    with database.begin() as uow:
        for actor in (DANA, AUDRA):
            with pytest.raises(Refused):
                access.revoke_token(uow, actor, theirs.token.id)
        with pytest.raises(Refused):
            access.list_tokens(uow, DANA, "ana")
        with pytest.raises(Refused):
            access.all_tokens(uow, DANA)
        assert access.list_tokens(uow, ANA) == access.list_tokens(uow, AUDRA, "ana") == [theirs.token]
        assert access.all_tokens(uow, AUDRA) == [theirs.token]
        assert access.revoke_token(uow, ADMIN, theirs.token.id).revoked_at == database.clock()
        with pytest.raises(NotFound):
            access.revoke_token(uow, ADMIN, "tok_none")
    with pytest.raises(NotFound):
        make(database, ADMIN, "mallory")


def test_revoking_twice_is_once(database: Database) -> None:
    """The first instant stays, and the ledger says it once."""
    made = make(database)
    with database.begin() as uow:
        first = access.revoke_token(uow, DANA, made.token.id)
        clock_of(database).advance(60)
        assert access.revoke_token(uow, DANA, made.token.id) == first
        entries = ledger.entries(uow, subject=f"token:{made.token.id}").items
    assert [entry.action for entry in entries] == ["token.created", "token.revoked"]


def test_a_token_never_makes_a_wider_one(database: Database) -> None:
    """Not in scopes, not in environments, not in time; equal or narrower is fine."""
    wide = who(
        database, make(database, scopes=["token:*", "promotion:*"], expires_in=timedelta(hours=1)).secret
    ).actor
    with pytest.raises(Refused, match="does not reach"):
        make(database, wide, scopes=["*"])
    longer = make(database, wide, scopes=["promotion:create"], expires_in=timedelta(days=9))
    assert longer.token.expires_at == database.clock() + timedelta(hours=1)
    narrow = who(database, longer.secret).actor
    with pytest.raises(Refused, match="does not reach token:create"):
        make(database, narrow, scopes=["promotion:create"])
    placed = who(database, make(database, environments=["dev"]).secret).actor
    for environments in (None, ["dev", "prod"], ["dev"]):
        with pytest.raises(Refused):
            make(database, placed, environments=environments)


def test_use_is_noted_once_a_minute(database: Database) -> None:
    """Using a token seldom writes; a reading transaction never does."""
    made = make(database)

    def last_used() -> Any:
        with database.read() as uow:
            access.authenticate(uow, made.secret)
            return access.list_tokens(uow, DANA)[0].last_used_at

    assert last_used() is None
    start = database.clock()
    who(database, made.secret)
    assert last_used() == start
    clock_of(database).advance(59)
    who(database, made.secret)
    assert last_used() == start
    clock_of(database).advance(1)
    who(database, made.secret)
    assert last_used() == database.clock()
