"""Web sessions: signing in with a password, and what keeps a stolen or forged request out."""

from __future__ import annotations

import secrets
from datetime import timedelta

from clearway import ledger
from clearway.access import store
from clearway.access.model import Principal, Session, SignIn
from clearway.access.passwords import check_password, hash_secret, same, waste_time
from clearway.kernel import Actor, Refused, Unauthenticated
from clearway.storage import UnitOfWork

IDLE = timedelta(hours=8)
LONGEST = timedelta(hours=24)
_TOUCH_EVERY = timedelta(minutes=1)
FREE_TRIES = 5
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)


def sign_in(uow: UnitOfWork, name: str, password: str) -> SignIn:
    """Opens a session, or says why not. Commit in both cases: a failure counts.

    From the fifth failure in a row on, each locks the name: for 30 seconds at first, for up to 15 minutes.
    """
    key, now = hash_secret(name), uow.now()
    failures, locked_until = store.read_attempts(uow.connection, key)
    if locked_until is not None and now < locked_until:
        return SignIn(reason="too many failed tries; wait", retry_at=locked_until)
    person = store.user(uow.connection, name)
    if not _password_fits(uow, name, password) or person is None or person.disabled:
        return _failed(uow, key, failures + 1, name if person else None)
    if failures:
        store.save_attempts(uow.connection, key, 0, now, None)
    store.end_sessions_before(uow.connection, now)
    secret = secrets.token_urlsafe(32)
    ends = now + LONGEST
    store.add_session(uow.connection, hash_secret(secret), name, now, ends)
    actor = Actor(name)
    ledger.append(uow, actor, "session.opened", f"user:{name}")
    return SignIn(Session(Principal(actor), _csrf(secret), now, ends), secret)


def _password_fits(uow: UnitOfWork, name: str, password: str) -> bool:
    hashed = store.password_of(uow.connection, name)
    if hashed is None:
        waste_time(password)
        return False
    return check_password(password, hashed)


def _failed(uow: UnitOfWork, key: str, failures: int, name: str | None) -> SignIn:
    now, locked_until = uow.now(), None
    if failures >= FREE_TRIES:
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(failures - FREE_TRIES, 10))
        locked_until = now + wait
        if name is not None:  # unknown names stay out of the ledger: some are passwords
            data = {"failures": failures, "until": locked_until.isoformat()}
            ledger.append(uow, Actor(name), "session.locked", f"user:{name}", data=data)
    store.save_attempts(uow.connection, key, failures, now, locked_until)
    return SignIn(reason="the name or the password is wrong", retry_at=locked_until)


def _csrf(secret: str) -> str:
    return hash_secret("csrf:" + secret)


def session(uow: UnitOfWork, secret: str) -> Session:
    """The session of a cookie. Raises Unauthenticated when there is none, or it ended."""
    hashed = hash_secret(secret)
    row, now = store.read_session(uow.connection, hashed), uow.now()
    if row is None or row.disabled or now >= row.expires_at or now - row.seen_at >= IDLE:
        raise Unauthenticated("the session has ended", todo="Sign in again.")
    if uow.writable and now - row.seen_at >= _TOUCH_EVERY:
        store.touch_session(uow.connection, hashed, now)
    return Session(Principal(Actor(row.user)), _csrf(secret), row.created_at, row.expires_at)


def check_csrf(current: Session, presented: str) -> None:
    """Refuses a form that this session was not given. Raises Refused."""
    if not same(current.csrf, presented):
        raise Refused("the form is not of this session", todo="Load the page again and repeat.")


def sign_out(uow: UnitOfWork, secret: str) -> None:
    """Ends a session; one that ended already stays so."""
    hashed = hash_secret(secret)
    row = store.read_session(uow.connection, hashed)
    if row is not None:
        store.end_session(uow.connection, hashed)
        ledger.append(uow, Actor(row.user), "session.closed", f"user:{row.user}")
