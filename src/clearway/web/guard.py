"""Every page and every form says which permission it needs, and asks before anything else happens.

Rules:
1. A route without a declared permission cannot be made; what is public is on one list.
2. Nobody signed in: a page leads to the sign-in page and back; a form or a live part is told so.
3. Here it is asked whether someone may do it anywhere; the room asks again, for the very environment.
4. A session cookie is a session's secret, or an API token that was typed in: then the token's limits hold.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from clearway import access
from clearway.access import Principal
from clearway.kernel import ClearwayError, Invalid, Refused, Unauthenticated, sha256
from clearway.storage import Database, UnitOfWork

from .security import require_own_origin
from .visit import Visit, allowed_somewhere, nav_of

COOKIE = "clearway_session"
FORM_COOKIE = "clearway_form"
SIGNED_IN = "signed-in"  # needs somebody, but no permission: signing out, one's own settings
PUBLIC = frozenset({"/sign-in", "/static/{mark}/{name:path}"})
MAX_FORM = 64 << 10

Handler = Callable[[Visit], Response]
Stream = Callable[[Visit], Awaitable[Response]]


def page(path: str, handler: Handler, *, needs: str) -> Route:
    """A page that is read."""
    return _route(path, handler, ["GET"], needs)


def action(path: str, handler: Handler, *, needs: str) -> Route:
    """A form that is sent."""
    return _route(path, handler, ["POST"], needs)


def stream(path: str, handler: Stream, *, needs: str) -> Route:
    """Something that keeps coming."""
    _check(path, needs)

    async def endpoint(request: Request) -> Response:
        visit = await run_in_threadpool(_enter, request, needs)
        return await handler(visit)

    endpoint.permission = needs  # type: ignore[attr-defined]
    return Route(path, endpoint, methods=["GET"])


def permission_of(route: Route) -> str | None:
    """What a route declares to need."""
    return getattr(route.endpoint, "permission", None)


def _check(path: str, needs: str) -> None:
    if needs not in access.ACTIONS and needs != SIGNED_IN:
        raise ValueError(f"{path}: there is no permission {needs}")


def _route(path: str, handler: Handler, methods: list[str], needs: str) -> Route:
    _check(path, needs)
    writes = methods == ["POST"]

    async def endpoint(request: Request) -> Response:
        try:
            visit = await run_in_threadpool(_enter, request, needs)
        except Unauthenticated:
            if writes or "HX-Request" in request.headers:
                raise
            return RedirectResponse(f"/sign-in?next={quote(_here(request))}", 303)
        if writes:
            require_own_origin(request)
            visit.form = await read_form(request)
            sent = visit.said("csrf")
            if not sent or sent != visit.csrf:
                raise Refused("the form is not of this session", todo="Load the page again and repeat.")
        answer = await run_in_threadpool(handler, visit)
        if visit.told and not visit.partial and not writes:
            answer.delete_cookie("clearway_told")
        return answer

    endpoint.permission = needs  # type: ignore[attr-defined]
    return Route(path, endpoint, methods=methods)


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; more than a person would type is refused before it is read."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM:
            raise Invalid("the form is too long", expected=f"at most {MAX_FORM >> 10} KiB")
    request._body = body  # what Starlette's parser reads instead of the stream
    form = await request.form(max_files=0, max_fields=50)
    return {key: value for key, value in form.items() if isinstance(value, str)}


def _enter(request: Request, needs: str) -> Visit:
    """The visit of who is signed in, when they may be here at all."""
    database: Database = request.app.state.database
    secret = request.cookies.get(COOKIE, "")
    if not secret:
        raise Unauthenticated("nobody is signed in", todo="Sign in.")
    with database.read() as uow:
        principal, csrf = who(uow, secret)
        visit = request.state.visit = _visit(request, uow, principal, csrf)
        if needs != SIGNED_IN:
            allowed_somewhere(uow, principal.actor, needs)
    request.app.state.touches.seen(database, sha256(secret.encode()), lambda uow: who(uow, secret))
    return visit


def _visit(request: Request, uow: UnitOfWork, principal: Principal, csrf: str) -> Visit:
    visit = Visit(request, principal, csrf)
    if not visit.partial:
        visit.nav = nav_of(uow, principal.actor)
    return visit


def recognise(request: Request) -> Visit:
    """Whoever is there, for a page that needs no permission, such as an error: nobody, when in doubt."""
    secret = request.cookies.get(COOKIE, "")
    if secret:
        with contextlib.suppress(ClearwayError), request.app.state.database.read() as uow:
            return _visit(request, uow, *who(uow, secret))
    return Visit(request)


def who(uow: UnitOfWork, secret: str) -> tuple[Principal, str]:
    """Who a session cookie belongs to, and what their forms carry. Raises Unauthenticated."""
    if secret.startswith("cwy_"):
        return access.authenticate(uow, secret), sha256(f"form:{secret}".encode())
    session = access.session(uow, secret)
    return session.principal, session.csrf
