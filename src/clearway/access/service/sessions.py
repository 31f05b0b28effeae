"""Web sessions: signing in with a password, and what keeps a stolen or forged request out.

Rules:
1. A password is hashed outside every transaction: it takes as long as many writes, and strangers may ask for
   it. Only the outcome is written.
2. Tries are counted by name and by the client's address; whoever is locked out costs no hash.
3. Few passwords are hashed at a time, and nobody waits long for their turn.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from clearway import ledger
from clearway.access import store
from clearway.access.model import ACTIONS, NewToken, Principal, Session, SignIn, TokenActor
from clearway.access.passwords import check_password, hash_secret, same, waste_time
from clearway.kernel import Actor, Refused, Unauthenticated
from clearway.storage import Database, UnitOfWork

from .people import set_password
from .tokens import DEFAULT, create_token

IDLE = timedelta(hours=8)
LONGEST = timedelta(hours=24)
_TOUCH_EVERY = timedelta(minutes=1)
FREE_TRIES = 5
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)
ADDRESS_TRIES = 30  # an office behind one address has more people who mistype than a person has fingers
_ADDRESS_WAIT = timedelta(minutes=1)
_ADDRESS_MEMORY = timedelta(minutes=15)
_TURN_S = 2.0
_turns, _queue = BoundedSemaphore(2), BoundedSemaphore(10)
_LOCKED, _WRONG = "too many failed tries; wait", "the name or the password is wrong"
_CROWD = "too many people sign in at this moment; wait"


def sign_in(database: Database, name: str, password: str, address: str = "") -> SignIn:
    """Opens a session, or says why not. `address` is the client's; a failure counts for it and for the name.

    From the fifth failure in a row on, each locks the name: for 30 seconds at first, for up to 15 minutes.
    From the thirtieth within 15 minutes on, each locks the address for a minute.
    """
    keys = _Keys(name, address)
    with database.read() as uow:
        locked_until = keys.locked_until(uow)
        hashed = store.password_of(uow.connection, name) if locked_until is None else None
    if locked_until is not None:
        return SignIn(reason=_LOCKED, retry_at=locked_until)
    fits = _in_turn(hashed, password)
    if fits is None:
        return SignIn(reason=_CROWD, retry_at=database.clock() + timedelta(seconds=5))
    with database.begin() as uow:
        return _outcome(uow, keys, name, hashed if fits else None)


def _in_turn(hashed: str | None, password: str) -> bool | None:
    """Whether the password fits; None when too many others are being checked."""
    if not _queue.acquire(blocking=False):
        return None
    try:
        if not _turns.acquire(timeout=_TURN_S):
            return None
        try:
            return _password_fits(hashed, password)
        finally:
            _turns.release()
    finally:
        _queue.release()


def _password_fits(hashed: str | None, password: str) -> bool:
    if hashed is None:
        waste_time(password)
        return False
    return check_password(password, hashed)


def _outcome(uow: UnitOfWork, keys: _Keys, name: str, fitted: str | None) -> SignIn:
    """Records how the try ended; `fitted` is the stored hash that fitted, by now perhaps old."""
    person, now = store.user(uow.connection, name), uow.now()
    right = person is not None and not person.disabled
    if not right or fitted is None or store.password_of(uow.connection, name) != fitted:
        return keys.failed(uow, name if person else None)
    locked_until = keys.locked_until(uow)
    if locked_until is not None:  # others were guessing while this one was being hashed
        return SignIn(reason=_LOCKED, retry_at=locked_until)
    keys.forget(uow)
    store.end_sessions_before(uow.connection, now)
    secret = secrets.token_urlsafe(32)
    ends = now + LONGEST
    store.add_session(uow.connection, hash_secret(secret), name, now, ends)
    ledger.append(uow, Actor(name), "session.opened", f"user:{name}")
    actor = _in_session(name, store.password_set_by(uow.connection, name))
    return SignIn(Session(Principal(actor), _csrf(secret), now, ends), secret)


class _Keys:
    """Under which keys the tries of one name from one address are counted."""

    def __init__(self, name: str, address: str) -> None:
        self.name = hash_secret(name)
        self.address = hash_secret(f"address\0{_network(address)}") if address else None

    def locked_until(self, uow: UnitOfWork) -> datetime | None:
        """Until when no try counts; None when one may be made."""
        keys = [self.name] + ([self.address] if self.address else [])
        ends = [store.read_attempts(uow.connection, key)[1] for key in keys]
        return max((end for end in ends if end is not None and uow.now() < end), default=None)

    def failed(self, uow: UnitOfWork, name: str | None) -> SignIn:
        """Counts a failure; `name` when there is such a user."""
        now, locked_until = uow.now(), None
        failures = store.read_attempts(uow.connection, self.name)[0] + 1
        if failures >= FREE_TRIES:
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(failures - FREE_TRIES, 10))
            locked_until = now + wait
            if name is not None:  # unknown names stay out of the ledger: some are passwords
                data = {"failures": failures, "until": locked_until.isoformat()}
                ledger.append(uow, Actor(name), "session.locked", f"user:{name}", data=data)
        store.save_attempts(uow.connection, self.name, failures, now, locked_until)
        if self.address is not None:
            tries = store.read_attempts(uow.connection, self.address, now - _ADDRESS_MEMORY)[0] + 1
            shut = now + _ADDRESS_WAIT if tries >= ADDRESS_TRIES else None
            store.save_attempts(uow.connection, self.address, tries, now, shut)
            locked_until = max(filter(None, (locked_until, shut)), default=None)
        return SignIn(reason=_WRONG, retry_at=locked_until)

    def forget(self, uow: UnitOfWork) -> None:
        """The name's owner is here. The address stays counted: one's own account must buy no guesses."""
        if store.read_attempts(uow.connection, self.name)[0]:
            store.save_attempts(uow.connection, self.name, 0, uow.now(), None)


def _network(address: str) -> str:
    """What one client can choose among counts as one: the 64 bits that an IPv6 line is given."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _in_session(name: str, password_by: str | None) -> Actor:
    """Who a session is; narrowed while the password is one that somebody else chose."""
    if password_by == name:
        return Actor(name)
    return TokenActor(name, actions=ACTIONS, handed_by=password_by or "an administrator")


def claim_token(
    database: Database,
    name: str,
    password: str,
    *,
    new_password: str | None = None,
    label: str = "",
    scopes: Sequence[str] = ("*",),
    expires_in: timedelta = DEFAULT,
    address: str = "",
) -> NewToken:
    """A token of one's own for who knows the password: the way to the command line, the API and clients.

    A password that somebody else set must be changed with it. Raises Unauthenticated, Refused, Invalid.
    """
    opened = sign_in(database, name, password, address)
    if opened.session is None:
        when = f"Try again after {opened.retry_at:%H:%M:%S} UTC." if opened.retry_at else None
        raise Unauthenticated(opened.reason, todo=when)
    actor = opened.session.principal.actor
    with database.begin() as uow:
        sign_out(uow, opened.secret)
    if new_password is None and isinstance(actor, TokenActor):
        raise Refused(
            f"the password of {name} was set by {actor.handed_by}, who may know it too",
            todo="Give a new password of your own as well.",
        )
    with database.begin() as uow:
        if new_password is not None:
            set_password(uow, actor, name, new_password, current=password)
        return create_token(uow, Actor(name), label=label, scopes=scopes, expires_in=expires_in)


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
    actor = _in_session(row.user, row.password_by)
    return Session(Principal(actor), _csrf(secret), row.created_at, row.expires_at)


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
