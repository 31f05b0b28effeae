"""People, roles, tokens and sessions at rest. Secrets are here only as hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from clearway.kernel import new_id
from clearway.storage import Instant, Json, metadata

from .model import Binding, Grant, Token, User

user_table = sa.Table(
    "access_user",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("account", sa.String(10), nullable=False),
    sa.Column("full_name", sa.String, nullable=False),
    sa.Column("email", sa.String, nullable=False),
    sa.Column("aliases", Json, nullable=False),
    sa.Column("groups", Json, nullable=False),
    sa.Column("grants", Json, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("signing_keys", Json, nullable=False, server_default="[]"),
    sa.Column("password", sa.String),  # scrypt$...
    sa.Column("password_by", sa.String),  # who set it
)

role_table = sa.Table(
    "access_role",
    metadata,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("environments", Json),  # null: all
    sa.Column("users", Json, nullable=False),
    sa.Column("groups", Json, nullable=False),
    sa.Column("description", sa.String, nullable=False),
)

token_table = sa.Table(
    "access_token",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("user", sa.String(63), sa.ForeignKey("access_user.name"), nullable=False, index=True),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),  # SHA-256 of 256 random bits
    sa.Column("scopes", Json, nullable=False),
    sa.Column("environments", Json),  # null: all
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.String, nullable=False),
    sa.Column("handed_by", sa.String),  # who is behind it, when not its user; null in old rows
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant),
    sa.Column("revoked_at", Instant),
)

session_table = sa.Table(
    "access_session",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),  # SHA-256 of the cookie's value
    sa.Column("user", sa.String(63), sa.ForeignKey("access_user.name"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

# Failed sign-ins, by hash of the name, as people type passwords into the wrong field, or of the address.
attempt_table = sa.Table(
    "access_attempt",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("locked_until", Instant),
)

# One row that changes whenever people or roles do: what is compiled from them stays valid until then.
# It is random and no counter, so that a rolled back change can never share it with another one.
stamp_table = sa.Table(
    "access_stamp",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("stamp", sa.String, nullable=False),
)

_USER_COLUMNS = [column for column in user_table.c if not column.name.startswith("password")]
_STAMP = sa.select(stamp_table.c.stamp)


def read_stamp(connection: sa.Connection) -> str:
    """Which state of people and roles this is; empty before the first."""
    return connection.scalar(_STAMP) or ""


def change_stamp(connection: sa.Connection) -> None:
    """Says that people or roles changed."""
    values = {"stamp": new_id("acs")}
    if connection.execute(stamp_table.update().values(values)).rowcount == 0:
        connection.execute(stamp_table.insert().values(id=1, **values))


def _grant(value: Any) -> Grant:
    places = value["environments"]
    return Grant(value["role"], None if places is None else tuple(places))


def _user(row: Any) -> User:
    return User(
        row.name,
        row.account,
        row.full_name,
        row.email,
        tuple(row.aliases),
        tuple(row.groups),
        tuple(_grant(value) for value in row.grants),
        row.disabled,
        row.has_password,
        tuple(row.signing_keys),
    )


_USERS = sa.select(*_USER_COLUMNS, user_table.c.password.is_not(None).label("has_password"))


def users(connection: sa.Connection) -> list[User]:
    """Everybody, by name."""
    return [_user(row) for row in connection.execute(_USERS.order_by(user_table.c.name))]


def user(connection: sa.Connection, name: str) -> User | None:
    """One user."""
    row = connection.execute(_USERS.where(user_table.c.name == name)).first()
    return None if row is None else _user(row)


def save_user(connection: sa.Connection, user: User, *, new: bool) -> None:
    """Adds or replaces what is declared about a user; the password stays."""
    values = {
        "account": user.account,
        "full_name": user.full_name,
        "email": user.email,
        "aliases": list(user.aliases),
        "groups": list(user.groups),
        "grants": [
            {
                "role": grant.role,
                "environments": None if grant.environments is None else [*grant.environments],
            }
            for grant in user.grants
        ],
        "disabled": user.disabled,
        "signing_keys": list(user.signing_keys),
    }
    if new:
        connection.execute(user_table.insert(), {"name": user.name, **values})
    else:
        connection.execute(user_table.update().where(user_table.c.name == user.name).values(values))


def bindings(connection: sa.Connection) -> list[Binding]:
    """Every Role document, by name."""
    rows = connection.execute(sa.select(role_table).order_by(role_table.c.name))
    return [
        Binding(
            row.name,
            Grant(row.role, None if row.environments is None else tuple(row.environments)),
            tuple(row.users),
            tuple(row.groups),
            row.description,
        )
        for row in rows
    ]


def save_binding(connection: sa.Connection, binding: Binding, *, new: bool) -> None:
    """Adds or replaces a Role document."""
    places = binding.grant.environments
    values = {
        "role": binding.grant.role,
        "environments": None if places is None else list(places),
        "users": list(binding.users),
        "groups": list(binding.groups),
        "description": binding.description,
    }
    if new:
        connection.execute(role_table.insert(), {"name": binding.name, **values})
    else:
        connection.execute(role_table.update().where(role_table.c.name == binding.name).values(values))


def password_of(connection: sa.Connection, name: str) -> str | None:
    """The stored hash of a user's password."""
    return connection.scalar(sa.select(user_table.c.password).where(user_table.c.name == name))


def password_set_by(connection: sa.Connection, name: str) -> str | None:
    """Who set a user's password; None when that is not known."""
    return connection.scalar(sa.select(user_table.c.password_by).where(user_table.c.name == name))


def save_password(connection: sa.Connection, name: str, hashed: str, by: str) -> None:
    """Replaces the stored hash."""
    values = {"password": hashed, "password_by": by}
    connection.execute(user_table.update().where(user_table.c.name == name).values(values))


def _token(row: Any) -> Token:
    return Token(
        row.id,
        row.user,
        row.label,
        tuple(row.scopes),
        None if row.environments is None else tuple(row.environments),
        row.created_at,
        row.created_by,
        row.expires_at,
        row.last_used_at,
        row.revoked_at,
        (row.created_by if row.created_by != row.user else "") if row.handed_by is None else row.handed_by,
    )


def add_token(connection: sa.Connection, token: Token, hashed: str) -> None:
    """Stores a new token's description and the hash of its secret."""
    connection.execute(
        token_table.insert(),
        {
            "id": token.id,
            "user": token.user,
            "label": token.label,
            "hash": hashed,
            "scopes": list(token.scopes),
            "environments": None if token.environments is None else list(token.environments),
            "created_at": token.created_at,
            "created_by": token.created_by,
            "handed_by": token.handed_by,
            "expires_at": token.expires_at,
        },
    )


_PRESENTED = (
    sa.select(token_table, user_table.c.account, user_table.c.disabled)
    .join(user_table, user_table.c.name == token_table.c.user)
    .where(token_table.c.id == sa.bindparam("token_id"))
)


def presented_token(connection: sa.Connection, token_id: str) -> tuple[Token, str, str, bool] | None:
    """A token, the hash of its secret, and its user's account kind and whether that is disabled."""
    row = connection.execute(_PRESENTED, {"token_id": token_id}).first()
    return None if row is None else (_token(row), row.hash, row.account, row.disabled)


def tokens(connection: sa.Connection, user: str | None, token_id: str | None = None) -> list[Token]:
    """Tokens of a user, or everybody's, oldest first."""
    query = sa.select(token_table).order_by(token_table.c.id)
    if user is not None:
        query = query.where(token_table.c.user == user)
    if token_id is not None:
        query = query.where(token_table.c.id == token_id)
    return [_token(row) for row in connection.execute(query)]


def touch_token(connection: sa.Connection, token_id: str, at: datetime) -> None:
    """Notes the use of a token."""
    connection.execute(token_table.update().where(token_table.c.id == token_id).values(last_used_at=at))


def revoke_token(connection: sa.Connection, token_id: str, at: datetime) -> None:
    """Ends a token; a second time keeps the first instant."""
    connection.execute(
        token_table.update()
        .where(token_table.c.id == token_id, token_table.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def add_session(connection: sa.Connection, hashed: str, user: str, at: datetime, ends: datetime) -> None:
    """Stores a new session."""
    row = {"hash": hashed, "user": user, "created_at": at, "seen_at": at, "expires_at": ends}
    connection.execute(session_table.insert(), row)


def read_session(connection: sa.Connection, hashed: str) -> Any | None:
    """(user, created_at, seen_at, expires_at, account, disabled, password_by) of a session."""
    query = (
        sa.select(session_table, user_table.c.account, user_table.c.disabled, user_table.c.password_by)
        .join(user_table, user_table.c.name == session_table.c.user)
        .where(session_table.c.hash == hashed)
    )
    return connection.execute(query).first()


def touch_session(connection: sa.Connection, hashed: str, at: datetime) -> None:
    """Notes the use of a session."""
    connection.execute(session_table.update().where(session_table.c.hash == hashed).values(seen_at=at))


def end_session(connection: sa.Connection, hashed: str) -> None:
    """Forgets one session."""
    connection.execute(session_table.delete().where(session_table.c.hash == hashed))


def end_sessions_of(connection: sa.Connection, user: str) -> None:
    """Forgets every session of a user."""
    connection.execute(session_table.delete().where(session_table.c.user == user))


def end_sessions_before(connection: sa.Connection, at: datetime) -> None:
    """Forgets sessions that ended by then."""
    connection.execute(session_table.delete().where(session_table.c.expires_at <= at))


def read_attempts(
    connection: sa.Connection, hashed: str, since: datetime | None = None
) -> tuple[int, datetime | None]:
    """How often it failed in a row, and until when it is locked. What is older than `since` is over."""
    query = sa.select(attempt_table.c.failures, attempt_table.c.locked_until)
    if since is not None:
        query = query.where(attempt_table.c.last_at >= since)
    row = connection.execute(query.where(attempt_table.c.hash == hashed)).first()
    return (0, None) if row is None else (row.failures, row.locked_until)


def save_attempts(
    connection: sa.Connection, hashed: str, failures: int, at: datetime, locked_until: datetime | None
) -> None:
    """Replaces the count, and forgets counts older than a day."""
    old = attempt_table.c.last_at < at - timedelta(days=1)
    connection.execute(attempt_table.delete().where(old | (attempt_table.c.hash == hashed)))
    if failures:
        row = {"hash": hashed, "failures": failures, "last_at": at, "locked_until": locked_until}
        connection.execute(attempt_table.insert(), row)


def everything(connection: sa.Connection) -> tuple[Sequence[User], Sequence[Binding]]:
    """All that decisions need."""
    return users(connection), bindings(connection)
