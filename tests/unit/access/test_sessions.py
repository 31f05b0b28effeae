"""Web sessions."""

from __future__ import annotations

from datetime import timedelta
from threading import BoundedSemaphore
from typing import Any

import pytest
import sqlalchemy as sa

from clearway import access, ledger
from clearway.access import UserDocument
from clearway.access.passwords import check_password, hash_password
from clearway.kernel import Actor, FixedClock, Refused, Unauthenticated
from clearway.storage import Database

ADMIN, DANA = Actor("admin"), Actor("dana")
GOOD = "correct horse battery"


@pytest.fixture
def dana(database: Database) -> Database:
    with database.begin() as uow:
        access.set_password(uow, DANA, "dana", GOOD)
    return database


def sign_in(database: Database, name: str = "dana", password: str = GOOD, address: str = "") -> access.SignIn:
    return access.sign_in(database, name, password, address)


def session(database: Database, secret: str) -> access.Session:
    with database.begin() as uow:
        return access.session(uow, secret)


def advance(database: Database, **span: float) -> None:
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(**span).total_seconds())


def recorded(database: Database, prefix: str) -> list[Any]:
    with database.read() as uow:
        return list(ledger.entries(uow, action_prefix=prefix).items)


def test_the_right_password_opens_a_session(dana: Database) -> None:
    """The cookie's value is the person; opening and closing stand in the ledger."""
    opened = sign_in(dana)
    assert opened.session is not None
    assert session(dana, opened.secret) == opened.session
    assert opened.session.principal.actor == DANA
    with dana.begin() as uow:
        access.sign_out(uow, opened.secret)
        access.sign_out(uow, opened.secret)
    with pytest.raises(Unauthenticated):
        session(dana, opened.secret)
    assert [entry.action for entry in recorded(dana, "session.")] == ["session.opened", "session.closed"]


def test_no_secret_of_a_session_or_password_rests_anywhere(dana: Database) -> None:
    """Only hashes do."""
    opened = sign_in(dana)
    assert opened.session is not None
    with dana.read() as uow:
        for table in ("access_session", "access_user", "ledger_entry", "access_attempt"):
            text = str(uow.connection.execute(sa.text(f"select * from {table}")).all())  # noqa: S608
            assert opened.secret not in text
            assert GOOD not in text
            assert opened.session.csrf not in text
    assert opened.secret not in repr(opened)
    assert opened.session.csrf not in repr(opened)


@pytest.mark.parametrize(
    ("name", "password"), [("dana", "wrong"), ("mallory", GOOD), ("ana", ""), ("bot", GOOD), ("", "")]
)
def test_every_wrong_try_gets_the_same_answer(dana: Database, name: str, password: str) -> None:
    """Wrong password, unknown name, no password set, a robot: nobody learns which."""
    assert sign_in(dana, name, password) == access.SignIn(reason="the name or the password is wrong")


def test_a_disabled_account_does_not_sign_in_and_loses_its_sessions(dana: Database) -> None:
    """Disabling ends what is open, at once."""
    opened = sign_in(dana)
    with dana.begin() as uow:
        access.apply(uow, ADMIN, [UserDocument(name="dana", disabled=True)])
    with pytest.raises(Unauthenticated):
        session(dana, opened.secret)
    assert sign_in(dana).session is None


@pytest.mark.parametrize("name", ["dana", "mallory"])
def test_failures_in_a_row_lock_the_name_for_longer_and_longer(dana: Database, name: str) -> None:
    """Five tries are free; then 30 s, 60 s, ... at most 15 min, in which even the right password waits."""
    for _ in range(4):
        assert sign_in(dana, name, "wrong").retry_at is None
    waits = []
    for _ in range(8):
        refused = sign_in(dana, name, "wrong")
        assert refused.retry_at is not None
        assert sign_in(dana, name).reason.startswith("too many")
        waits.append((refused.retry_at - dana.clock()).total_seconds())
        advance(dana, seconds=waits[-1])
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    locked = [entry.subject for entry in recorded(dana, "session.locked")]
    assert locked == (["user:dana"] * 8 if name == "dana" else [])


def test_a_success_forgets_the_failures(dana: Database) -> None:
    """Four failures, a success, four failures: still not locked."""
    for _ in range(2):
        for _ in range(4):
            assert sign_in(dana, password="wrong").retry_at is None
        assert sign_in(dana).session is not None


def test_a_session_ends_when_idle_and_at_the_latest_after_a_day(dana: Database) -> None:
    """Use keeps it alive, but not for ever."""
    idle, used = sign_in(dana), sign_in(dana)
    advance(dana, hours=7)
    session(dana, used.secret)
    advance(dana, hours=1)
    with pytest.raises(Unauthenticated):
        session(dana, idle.secret)
    for _ in range(5):
        session(dana, used.secret)
        advance(dana, hours=3)
    session(dana, used.secret)
    advance(dana, hours=1)
    with pytest.raises(Unauthenticated):
        session(dana, used.secret)


def test_a_changed_password_ends_every_session(dana: Database) -> None:
    """Whoever stole one is out."""
    opened = sign_in(dana)
    with dana.begin() as uow:
        access.set_password(uow, DANA, "dana", GOOD + "!", current=GOOD)
    with pytest.raises(Unauthenticated):
        session(dana, opened.secret)
    assert sign_in(dana).session is None
    assert sign_in(dana, password=GOOD + "!").session is not None


def test_a_form_belongs_to_its_session(dana: Database) -> None:
    """Another session's token, none, or garbage is refused."""
    mine, other = sign_in(dana).session, sign_in(dana).session
    assert mine is not None
    assert other is not None
    assert access.check_csrf(mine, mine.csrf) is None
    for presented in (other.csrf, "", "\ud800", mine.csrf[:-1]):
        with pytest.raises(Refused):
            access.check_csrf(mine, presented)


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "ä" * 5000])
def test_a_made_up_cookie_is_nobody(dana: Database, secret: str) -> None:
    """Whatever it holds."""
    with pytest.raises(Unauthenticated):
        session(dana, secret)


def test_the_same_password_is_never_stored_the_same(dana: Database) -> None:
    """Each hash has its own salt, and checks only its own password."""
    one, two = hash_password(GOOD), hash_password(GOOD)
    assert one != two
    assert check_password(GOOD, one)
    assert check_password(GOOD, two)
    assert not check_password(GOOD + " ", one)


def test_no_password_is_hashed_while_the_database_is_held(
    dana: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers may try; hashing takes as long as many writes, and must keep nobody else from writing."""
    tried = []

    def meanwhile(password: str, hashed: str) -> bool:
        with dana.begin() as uow:  # would wait for itself, were a transaction open
            access.apply(uow, ADMIN, [UserDocument(name="dana", full_name=f"Dana {len(tried)}")])
        tried.append(password)
        return check_password(password, hashed)

    monkeypatch.setattr("clearway.access.service.sessions.check_password", meanwhile)
    assert sign_in(dana).session is not None
    assert sign_in(dana, password="wrong").session is None
    assert tried == [GOOD, "wrong"]


def test_a_password_that_changed_while_it_was_checked_opens_nothing(
    dana: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is what holds when the session is made."""

    def meanwhile(password: str, hashed: str) -> bool:
        with dana.begin() as uow:
            access.set_password(uow, ADMIN, "dana", GOOD + " no more")
        return check_password(password, hashed)

    monkeypatch.setattr("clearway.access.service.sessions.check_password", meanwhile)
    assert sign_in(dana).session is None


def test_failures_with_many_names_lock_the_address(dana: Database) -> None:
    """Who changes the name with each try is locked out by address, for a minute at a time, without a hash."""
    for number in range(29):
        assert sign_in(dana, f"name-{number}", "wrong", "203.0.113.7").retry_at is None
    refused = sign_in(dana, "name-29", "wrong", "203.0.113.7")
    assert refused.retry_at is not None
    assert (refused.retry_at - dana.clock()).total_seconds() == 60
    assert sign_in(dana, address="203.0.113.7").reason.startswith("too many")
    assert sign_in(dana, address="203.0.113.8").session is not None
    advance(dana, seconds=60)
    assert sign_in(dana, address="203.0.113.7").session is not None
    assert sign_in(dana, "mallory", "wrong", "203.0.113.7").retry_at is not None
    advance(dana, minutes=16)
    assert sign_in(dana, "mallory", "wrong", "203.0.113.7").retry_at is None


def test_one_line_of_the_newer_internet_is_one_address(dana: Database) -> None:
    """Whoever is given 2^64 addresses has one count."""
    for number in range(30):
        last = sign_in(dana, f"name-{number}", "wrong", f"2001:db8::{number:x}")
    assert last.retry_at is not None
    assert sign_in(dana, address="2001:db8::ffff").session is None
    assert sign_in(dana, address="2001:db8:0:1::1").session is not None


def test_too_many_at_once_are_sent_away(dana: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of tries fills neither the memory nor the threads that serve pages."""
    monkeypatch.setattr("clearway.access.service.sessions._queue", BoundedSemaphore(1))
    inside: list[access.SignIn] = []

    def meanwhile(password: str, hashed: str) -> bool:
        if not inside:
            inside.append(sign_in(dana))
        return check_password(password, hashed)

    monkeypatch.setattr("clearway.access.service.sessions.check_password", meanwhile)
    assert sign_in(dana).session is not None
    assert inside[0].session is None
    assert inside[0].retry_at is not None
