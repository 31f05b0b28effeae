"""Every route says which permission it needs, and asks for it before it looks at anything else.

Rules:
1. A route without a declared permission cannot be made; what is public is on one list.
2. No token: 401. A token whose owner may not: 403. Both before the body is read, so that nothing is learnt.
3. Here it is asked whether someone may do it anywhere; the room asks again, for the very environment.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import access, catalog
from clearway.kernel import Actor, Unauthenticated
from clearway.storage import Database, UnitOfWork

from .ask import Ask

# What is here needs no user; attestations are let in by the token of the job that sends them.
PUBLIC = frozenset(
    {"/healthz", "/openapi.json", "/v1/schema/clearway.json", "/v1/sign-in", "/v1/attestations"}
)
MARK = "x-clearway-permission"
TOLD = "x-clearway-answers"  # taken out of the document again


def needs(
    action: str,
    gives: str | Sequence[str] = (),
    *,
    errors: Sequence[int] = (),
    also: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """The declaration of a route's permission: `@router.get("/x", **needs("build:read", "Build"))`.

    For the OpenAPI document: `gives` names the form of the answer (of `answers.FORMS`) or its media types,
    `also` the forms of answers with other statuses, `errors` the statuses of refusals that are this route's
    own; those that every route of its kind has go without saying. Only names, so that a start costs nothing.
    """
    if action not in access.ACTIONS:
        raise ValueError(f"there is no action {action}")
    return {"openapi_extra": {MARK: action, "security": [{"token": []}], **_told(gives, errors, also)}}


def public(
    gives: str | Sequence[str], *, errors: Sequence[int] = (), also: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """What `needs` says for the OpenAPI document, of a route on the public list."""
    return {"openapi_extra": _told(gives, errors, also)}


def _told(
    gives: str | Sequence[str], errors: Sequence[int], also: Mapping[int, str] | None
) -> dict[str, Any]:
    return {TOLD: {"gives": [gives] if isinstance(gives, str) else [*gives], "errors": errors, "also": also}}


def permission_of(route: Any) -> str | None:
    """The declared permission of a route."""
    return (getattr(route, "openapi_extra", None) or {}).get(MARK)


class Guarded(APIRoute):
    """A route that authenticates and asks for its permission first."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if permission_of(self) is None and path not in PUBLIC:
            raise ValueError(f"{path} declares no permission")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the guard."""
        inner = super().get_route_handler()
        action = permission_of(self)
        if action is None:
            return inner

        async def guarded(request: Request) -> Response:
            ask = await run_in_threadpool(admit, request, action)
            if request.method not in ("GET", "HEAD"):
                ask.body = await request.body()
            request.state.ask = ask
            return await inner(request)

        return guarded


def admit(request: Request, action: str) -> Ask:
    """Who asks, if they may do this somewhere. Raises Unauthenticated or Refused."""
    database: Database = request.app.state.database
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer.strip():
        raise Unauthenticated(
            "this needs a token",
            expected="Authorization: Bearer cwy_...",
            todo="Make one: clearway token create.",
        )
    bearer = bearer.strip()
    with database.read() as uow:
        principal = access.authenticate(uow, bearer)
        request.state.actor = principal.actor.name  # also in the log line of a refusal
        require_somewhere(uow, principal.actor, action)
    request.app.state.touches.seen(
        database, principal.token_id or "", lambda uow: access.authenticate(uow, bearer)
    )
    return Ask(database, principal, bearer, request)


def require_somewhere(uow: UnitOfWork, actor: Actor, action: str) -> None:
    """Returns when the actor may do it in at least one environment, or to what is their own."""
    owner = actor.name if action == "user:write" else None
    if access.may(uow, actor, action, owner=owner).allowed:
        return
    for environment in catalog.environments(uow):
        if access.may(uow, actor, action, environment=environment.name).allowed:
            return
    access.require(uow, actor, action, owner=owner)
