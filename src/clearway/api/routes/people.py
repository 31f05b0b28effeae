"""Users, their passwords, API tokens, and who is asking."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from clearway import access, catalog
from clearway.api.ask import Answer, Asked
from clearway.api.bodies import PasswordBody, SignInBody, TokenBody
from clearway.api.guard import Guarded, needs, public
from clearway.api.paging import Cursor, Limit, paged, read_page
from clearway.api.shown import as_text, shown
from clearway.kernel import parse_duration
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["people"])


@router.get("/me", **needs("platform:read", "Me"))
def me(ask: Asked) -> Response:
    """Who the token belongs to, and how far it reaches."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        user = access.user(uow, ask.actor.name)
        return {"user": shown(user), "scopes": ask.principal.scopes, "token_id": ask.principal.token_id}

    return ask.read(look)


@router.get("/users", **needs("platform:read", "UserPage"))
def users(ask: Asked, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Every user."""
    return read_page(ask, lambda uow: paged(access.users(uow), lambda each: each.name, cursor, limit))


@router.get("/users/{name}", **needs("platform:read", "User", errors=(404,)))
def user(ask: Asked, name: str) -> Response:
    """One user."""
    return ask.read(lambda uow: access.user(uow, name))


@router.post("/users/{name}/password", status_code=204, **needs("user:write", errors=(404, 409)))
def password(ask: Asked, name: str, body: PasswordBody) -> Response:
    """Set a password; ends the user's sessions."""
    return ask.write(
        lambda uow: access.set_password(uow, ask.actor, name, body.password, current=body.current),
        secret=True,
    )


@router.post("/sign-in", status_code=201, **public("NewToken", errors=(401, 403)))
def sign_in(request: Request, body: SignInBody) -> Response:
    """Make a token of one's own with name and password. Without one's own hand in it, a token never approves.

    Failed tries lock the name, and the client's address, for a while. The token is in this answer only.
    """
    made = access.claim_token(
        request.app.state.database,
        body.name,
        body.password,
        new_password=body.new_password,
        label=body.label,
        expires_in=parse_duration(body.expires_in),
        address=request.client.host if request.client else "",
    )
    answer = {**shown(made.token), "token": made.secret}
    return Response(as_text(answer), 201, {"Cache-Control": "no-store"}, "application/json")


@router.post("/tokens", status_code=201, **needs("token:create", "NewToken", errors=(404, 409)))
def make_token(ask: Asked, body: TokenBody) -> Response:
    """Make a token. Its secret is in this answer and nowhere else."""

    def act(uow: UnitOfWork) -> Answer:
        for name in body.environments or ():  # a mistyped one would reach nothing, silently
            catalog.environment(uow, name)
        made = access.create_token(
            uow,
            ask.actor,
            body.user,
            label=body.name,
            scopes=body.scopes,
            environments=body.environments,
            expires_in=parse_duration(body.expires_in),
        )
        return Answer({**shown(made.token), "token": made.secret}, 201, f"/v1/tokens/{made.token.id}")

    return ask.write(act, secret=True)


@router.get("/tokens", **needs("token:read", "TokenPage"))
def tokens(
    ask: Asked,
    user: Annotated[
        str | None, Query(description="Whose; one's own when left out, `*` for everybody's.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Tokens, without their secrets; expired and revoked ones too."""

    def look(uow: UnitOfWork) -> Any:
        found = access.all_tokens(uow, ask.actor) if user == "*" else access.list_tokens(uow, ask.actor, user)
        return paged(found, lambda each: each.id, cursor, limit)

    return read_page(ask, look)


@router.delete("/tokens/{token_id}", **needs("token:revoke", "Token", errors=(404, 409)))
def revoke_token(ask: Asked, token_id: str) -> Response:
    """End a token at once."""
    return ask.write(lambda uow: access.revoke_token(uow, ask.actor, token_id))
