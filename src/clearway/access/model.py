"""Actions, roles, people, tokens, sessions and verdicts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal

from clearway.kernel import Actor, Invalid

__all__ = [
    "ACTIONS",
    "ENVIRONMENT_ACTIONS",
    "PERSONAL_ACTIONS",
    "ROLES",
    "Binding",
    "Grant",
    "NewToken",
    "Principal",
    "RoleName",
    "Session",
    "SignIn",
    "Token",
    "TokenActor",
    "User",
    "Verdict",
    "expand_scopes",
]

#: What is judged in an environment when one is named; without one, writes need the role for all environments.
ENVIRONMENT_ACTIONS = frozenset(
    {
        "promotion:read",
        "promotion:create",
        "promotion:approve",
        "promotion:reject",
        "deployment:read",
        "deployment:rollback",
        "incident:read",
        "incident:write",
        "config:read",
        "config:write",
        "secret:write",
        "freeze:override",
    }
)

#: What belongs to the platform as a whole; an environment makes no difference.
PLATFORM_ACTIONS = frozenset(
    {
        "platform:read",
        "platform:apply",
        "build:read",
        "build:run",
        "artifact:read",
        "artifact:write",
        "artifact:promote",
        "artifact:delete",
        "release:read",
        "release:create",
        "metrics:read",
        "ledger:read",
        "token:create",
        "token:read",
        "token:revoke",
        "user:write",
    }
)

ACTIONS = ENVIRONMENT_ACTIONS | PLATFORM_ACTIONS

#: What only a person's own word can do: not one who was handed a token or a password by somebody else.
PERSONAL_ACTIONS = frozenset({"promotion:approve", "promotion:reject", "freeze:override"})

RoleName = Literal["viewer", "developer", "approver", "release-manager", "on-call", "auditor", "admin"]

#: Each role and the roles it contains.
ROLES: Mapping[str, tuple[str, ...]] = {
    "viewer": (),
    "developer": ("viewer",),
    "approver": ("viewer",),
    "release-manager": ("developer", "approver"),
    "on-call": ("viewer",),
    "auditor": ("viewer",),
    "admin": ("release-manager", "on-call", "auditor"),
}


@dataclass(frozen=True)
class Grant:
    """A role, in some environments or (None) in all."""

    role: str
    environments: tuple[str, ...] | None = None


@dataclass(frozen=True)
class User:
    """A person or a robot account, as declared."""

    name: str  # what the ledger calls them
    account: str = "person"  # person or robot
    full_name: str = ""
    email: str = ""  # with the aliases: how commits name them
    aliases: tuple[str, ...] = ()  # further e-mail addresses or author names
    groups: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    disabled: bool = False
    has_password: bool = False
    signing_keys: tuple[str, ...] = ()  # public keys, SSH or OpenPGP: what is signed with them is theirs


@dataclass(frozen=True)
class Binding:
    """A declared Role document: who else holds a role."""

    name: str
    grant: Grant
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Verdict:
    """A decision, and which policy made it."""

    allowed: bool
    policy: str  # id of the deciding policy, or "no-permit", "token-scope", "unknown-user", "unknown-action"
    reason: str  # a sentence
    todo: str = ""  # what to do about a no


@dataclass(frozen=True, eq=False)
class TokenActor(Actor):
    """Someone who acts through a token: the same person to everybody, with narrower permissions.

    The narrowing travels with the actor, so that a room which only hands the actor on keeps it. A session
    with a password that somebody else set is narrowed in the same way; `via` is empty then.
    """

    actions: frozenset[str] = frozenset()
    environments: frozenset[str] | None = None
    expires_at: datetime | None = None
    handed_by: str = ""  # who made the token, or set the password, when it was not the user

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Actor) and (self.name, self.kind) == (other.name, other.kind)

    def __hash__(self) -> int:
        return hash((self.name, self.kind))


@dataclass(frozen=True)
class Token:
    """What is known about an API token; its secret is not."""

    id: str
    user: str
    label: str
    scopes: tuple[str, ...]  # actions, with * for "any" on either side of the colon
    environments: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None = None  # to the minute
    revoked_at: datetime | None = None
    handed_by: str = ""  # who is behind it when not its user: such a token approves nothing


@dataclass(frozen=True)
class NewToken:
    """A token just made; the only moment at which its secret is known."""

    token: Token
    secret: str  # cwy_<id>_<hex>

    def __repr__(self) -> str:  # a traceback or a log must not show it
        return f"NewToken(token={self.token!r}, secret=...)"


@dataclass(frozen=True)
class Principal:
    """Who asks, and how far what they showed reaches."""

    actor: Actor  # a TokenActor when a token was shown
    scopes: tuple[str, ...] = ("*",)
    token_id: str | None = None


@dataclass(frozen=True)
class Session:
    """A web session."""

    principal: Principal
    csrf: str = field(repr=False)  # what forms of this session must carry
    created_at: datetime
    expires_at: datetime  # by then at the latest; earlier when idle


@dataclass(frozen=True)
class SignIn:
    """The outcome of signing in: a no is a value, because its count must be committed."""

    session: Session | None = None
    secret: str = ""  # the cookie's value
    reason: str = ""  # why not
    retry_at: datetime | None = None  # when trying again makes sense, after too many failures

    def __repr__(self) -> str:
        return f"SignIn(session={self.session!r}, reason={self.reason!r}, retry_at={self.retry_at!r})"


def expand_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """The actions that scopes name: `*`, `promotion:*`, `*:read`, `promotion:create`. Raises Invalid."""
    return _expand(tuple(scopes))


@lru_cache(maxsize=1000)
def _expand(scopes: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    for scope in scopes:
        subject, _, verb = ("*", ":", "*") if scope == "*" else scope.partition(":")
        matching = {
            action
            for action in ACTIONS
            if subject in ("*", action.partition(":")[0]) and verb in ("*", action.partition(":")[2])
        }
        if not matching:
            raise Invalid(
                f"{scope!r} is not a scope",
                expected="an action such as promotion:create, or promotion:*, *:read, *",
            )
        found |= matching
    return frozenset(found)
