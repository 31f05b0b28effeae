"""Signing in and out."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from clearway import access
from clearway.kernel import ClearwayError
from clearway.web.guard import COOKIE, FORM_COOKIE, read_form, who
from clearway.web.security import local_path, require_own_origin
from clearway.web.visit import Visit
from clearway.web.words import instant


def show(request: Request, problem: str = "", name: str = "", status: int = 200) -> Response:
    """The form."""
    key = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
    visit = Visit(request, None, key)
    following = local_path(request.query_params.get("next"))
    answer = visit.page("signin.html", status, problem=problem, name=name, following=following)
    _set(request, answer, FORM_COOKIE, key)
    return answer


async def enter(request: Request) -> Response:
    """Name and password, or a token."""
    from starlette.concurrency import run_in_threadpool

    require_own_origin(request)
    form = await read_form(request)
    return await run_in_threadpool(_enter, request, form)


def _enter(request: Request, form: dict[str, str]) -> Response:
    key = request.cookies.get(FORM_COOKIE, "")
    if not key or not secrets.compare_digest(key.encode(), form.get("csrf", "").encode()):
        return show(request, "This page was open for too long. Please try again.", status=403)
    name, token = form.get("name", "").strip()[:200], form.get("token", "").strip()[:500]
    if token:
        return _with_token(request, token)
    client = request.client.host if request.client else ""
    outcome = access.sign_in(request.app.state.database, name, form.get("password", "")[:1000], client)
    if outcome.session is None:
        when = f" Try again after {instant(outcome.retry_at)}." if outcome.retry_at else ""
        return show(request, f"{outcome.reason[:1].upper()}{outcome.reason[1:]}.{when}", name, 401)
    handed = getattr(outcome.session.principal.actor, "handed_by", "")
    return _welcome(request, outcome.secret, handed)


def _with_token(request: Request, token: str) -> Response:
    try:
        if not token.startswith("cwy_"):
            raise ClearwayError("that is no API token: they begin with cwy_")
        with request.app.state.database.begin() as uow:
            who(uow, token)
    except ClearwayError as error:
        return show(request, f"{error.message[:1].upper()}{error.message[1:]}.", status=401)
    return _welcome(request, token)


def _welcome(request: Request, secret: str, handed_by: str = "") -> Response:
    path, told = local_path(request.query_params.get("next")), ""
    if handed_by:
        path, told = (
            "/me",
            f"{handed_by} set your password. Change it: until then you approve nothing.",
        )
    answer = Visit(request).go(path, told)
    _set(request, answer, COOKIE, secret)
    answer.delete_cookie(FORM_COOKIE)
    return answer


def _set(request: Request, answer: Response, name: str, value: str) -> None:
    safe = request.app.state.settings.url.startswith("https:")
    answer.set_cookie(name, value, httponly=True, samesite="lax", secure=safe, path="/")


def leave(visit: Visit) -> Response:
    """The session ends here and on the server."""
    secret = visit.request.cookies.get(COOKIE, "")
    if not secret.startswith("cwy_"):
        with visit.database.begin() as uow:
            access.sign_out(uow, secret)
    answer = visit.go("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer
