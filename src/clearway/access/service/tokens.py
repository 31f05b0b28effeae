"""API tokens: `cwy_<id>_<secret>`; only a hash of the secret is kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from clearway import ledger
from clearway.access import store
from clearway.access.model import NewToken, Principal, Token, TokenActor, expand_scopes
from clearway.access.passwords import hash_secret, same
from clearway.kernel import Actor, Invalid, NotFound, Refused, Unauthenticated, new_id
from clearway.storage import UnitOfWork

from .permit import require

LONGEST = timedelta(days=366)
DEFAULT = timedelta(days=90)
_TOUCH_EVERY = timedelta(minutes=1)  # so that using a token seldom writes


def create_token(
    uow: UnitOfWork,
    actor: Actor,
    user: str | None = None,
    *,
    label: str = "",
    scopes: Sequence[str] = ("*",),
    environments: Sequence[str] | None = None,
    expires_in: timedelta = DEFAULT,
) -> NewToken:
    """Makes a token for oneself, or (administrators) for someone else. Its secret is shown only here.

    A token made through a token reaches no further and lives no longer than that one. One made for somebody
    else, or with what somebody else handed out, never approves. Raises Invalid, Refused.
    """
    name = user or actor.name
    require(uow, actor, "token:create", owner=name)
    if not timedelta(0) < expires_in <= LONGEST:
        raise Invalid("a token that never expires, or has expired", expected="1 second to 366 days")
    if not scopes or environments == []:
        raise Invalid("a token that reaches nothing", expected="at least one scope and environment")
    expires_at = uow.now() + expires_in
    if isinstance(actor, TokenActor):
        expires_at = min(expires_at, actor.expires_at or expires_at)
        _refuse_to_widen(actor, scopes, environments)
    return issue_token(uow, actor, name, label, scopes, environments, expires_at)


def _refuse_to_widen(actor: TokenActor, scopes: Sequence[str], environments: Sequence[str] | None) -> None:
    beyond = expand_scopes(scopes) - actor.actions
    if beyond:
        raise Refused(
            f"the token in use does not reach {', '.join(sorted(beyond))}, so it cannot make one that does",
            detail={"policy": "token-scope"},
        )
    if actor.environments is not None and not (environments and set(environments) <= actor.environments):
        raise Refused(
            f"the token in use is limited to {', '.join(sorted(actor.environments))}; so must the new one be",
            detail={"policy": "token-scope"},
        )


def issue_token(
    uow: UnitOfWork,
    actor: Actor,
    name: str,
    label: str = "",
    scopes: Sequence[str] = ("*",),
    environments: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    reason: str = "",
) -> NewToken:
    """Makes the token; who may has been decided before."""
    expand_scopes(scopes)
    if store.user(uow.connection, name) is None:
        raise NotFound(f"there is no user {name}")
    token = Token(
        new_id("tok"),
        name,
        label,
        tuple(dict.fromkeys(scopes)),
        None if environments is None else tuple(sorted(set(environments))),
        uow.now(),
        actor.name,
        expires_at or uow.now() + LONGEST,
        handed_by=_hand_behind(actor, name),
    )
    secret = secrets.token_hex(32)
    store.add_token(uow.connection, token, hash_secret(secret))
    ledger.append(
        uow,
        actor,
        "token.created",
        f"token:{token.id}",
        reason=reason,
        data={
            "user": name,
            "label": label,
            "scopes": list(token.scopes),
            "environments": None if token.environments is None else list(token.environments),
            "expires_at": token.expires_at.isoformat(),
            **({"handed_by": token.handed_by} if token.handed_by else {}),
        },
    )
    return NewToken(token, f"cwy_{token.id.removeprefix('tok_')}_{secret}")


def _hand_behind(actor: Actor, name: str) -> str:
    """Whose hand a new token comes from, when not from its user's own."""
    if isinstance(actor, TokenActor) and actor.handed_by:
        return actor.handed_by
    return "" if actor.name == name else actor.name


def list_tokens(uow: UnitOfWork, actor: Actor, user: str | None = None) -> list[Token]:
    """A user's tokens (one's own without asking; anybody's takes a role), expired and revoked ones too."""
    name = user or actor.name
    require(uow, actor, "token:read", owner=name)
    return store.tokens(uow.connection, name)


def all_tokens(uow: UnitOfWork, actor: Actor) -> list[Token]:
    """Everybody's tokens, for the access review."""
    require(uow, actor, "token:read", owner="")
    return store.tokens(uow.connection, None)


def revoke_token(uow: UnitOfWork, actor: Actor, token_id: str, *, reason: str = "") -> Token:
    """Ends a token at once, one's own or (administrators) anybody's; twice is once. May raise NotFound."""
    found = store.tokens(uow.connection, None, token_id)
    if not found:
        require(uow, actor, "token:revoke")
        raise NotFound(f"there is no token {token_id}")
    require(uow, actor, "token:revoke", owner=found[0].user)
    if found[0].revoked_at is None:
        store.revoke_token(uow.connection, token_id, uow.now())
        data = {"user": found[0].user, "label": found[0].label}
        ledger.append(uow, actor, "token.revoked", f"token:{token_id}", reason=reason, data=data)
    return store.tokens(uow.connection, None, token_id)[0]


def authenticate(uow: UnitOfWork, bearer: str) -> Principal:
    """Who shows this token, and how far it reaches. Raises Unauthenticated."""
    prefix, _, rest = bearer.partition("_")
    key, _, secret = rest.partition("_")
    found = store.presented_token(uow.connection, f"tok_{key}") if prefix == "cwy" else None
    if found is None:
        raise Unauthenticated("the token is unknown", todo="Check that it was copied whole.")
    token, hashed, account, disabled = found
    if not same(hash_secret(secret), hashed):
        raise Unauthenticated("the token is unknown", todo="Check that it was copied whole.")
    now = uow.now()
    if token.revoked_at is not None:
        raise Unauthenticated(f"the token was revoked at {token.revoked_at:%Y-%m-%d %H:%M} UTC")
    if token.expires_at <= now:
        raise Unauthenticated(
            f"the token expired at {token.expires_at:%Y-%m-%d %H:%M} UTC", todo="Make a new one."
        )
    if disabled:
        raise Unauthenticated(f"the account {token.user} is disabled", todo="Ask an administrator.")
    if uow.writable and (token.last_used_at is None or now - token.last_used_at >= _TOUCH_EVERY):
        store.touch_token(uow.connection, token.id, now)
    actor = TokenActor(
        token.user,
        "robot" if account == "robot" else "person",
        expand_scopes(token.scopes),
        None if token.environments is None else frozenset(token.environments),
        token.expires_at,
        token.handed_by,
        via=token.id,
    )
    return Principal(actor, token.scopes, token.id)
