"""Who one is, signing in (`npm login --auth-type=legacy`) and out, and what a client asks of the house.

Rules:
1. The password is a token, which is given back as it is, or the user's own, which gives a token that reaches
   packages only. Nobody is made a user here.
2. Tries of a password are counted as on the pages.
"""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import access
from clearway.artifacts import ANONYMOUS
from clearway.faces.counter import who
from clearway.kernel import Actor, Invalid, NotFound, Unauthenticated
from clearway.storage import Database, UnitOfWork

from . import desk
from .bodies import receive, receive_json

MOST_LOGIN = 16 << 10  # bytes
MOST_AUDIT = 16 << 20
SCOPES = ("artifact:*",)
_PREFIX = "org.couchdb.user:"


async def ping(request: Request) -> Response:
    """That the registry is there; nothing about what is in it."""
    await desk.in_transaction(request, lambda uow: desk.registry(uow, request))
    return desk.answer({})


def _known(uow: UnitOfWork, request: Request) -> str:
    desk.registry(uow, request)
    actor = who(uow, request)
    if actor == ANONYMOUS:
        raise Unauthenticated("nobody is signed in", todo="Run npm login, or set a token.")
    return actor.name


async def whoami(request: Request) -> Response:
    """Whose token this is."""
    return desk.answer({"username": await desk.in_transaction(request, lambda uow: _known(uow, request))})


def _named(request: Request) -> str:
    name: str = request.path_params["user"]
    if not name.startswith(_PREFIX):
        raise NotFound("there is no such address", expected=f"/-/user/{_PREFIX}NAME")
    return name.removeprefix(_PREFIX)


async def user(request: Request) -> Response:
    """One's own account."""
    name = await desk.in_transaction(request, lambda uow: _known(uow, request))
    if name != _named(request):
        raise NotFound("this is not the account of whoever asks")
    return desk.answer({"_id": _PREFIX + name, "name": name, "email": "", "type": "user", "roles": []})


async def login(request: Request) -> Response:
    """A token for a name and a password, or for a token. Raises Unauthenticated."""
    await desk.in_transaction(request, lambda uow: desk.registry(uow, request))
    name, body = _named(request), await receive_json(request, most=MOST_LOGIN)
    password = body.get("password") if isinstance(body, dict) else None
    if not isinstance(password, str) or not password or body.get("name", name) != name:
        raise Invalid("this is no login", expected="`name`, as in the address, and `password`")
    if password.startswith("cwy_"):
        token = await desk.in_transaction(request, lambda uow: _own(uow, name, password))
    else:
        database: Database = request.app.state.database
        host = request.client.host if request.client else ""
        made = await run_in_threadpool(
            lambda: access.claim_token(
                database, name, password, label="npm login", scopes=SCOPES, address=host
            )
        )
        token = made.secret
    said = {"ok": True, "id": _PREFIX + name, "rev": "1-clearway", "token": token}
    return desk.answer(said, 201)


def _own(uow: UnitOfWork, name: str, token: str) -> str:
    if access.authenticate(uow, token).actor.name != name:
        raise Unauthenticated(f"the token is not one of {name[:100]}")
    return token


async def logout(request: Request) -> Response:
    """End the token that is shown."""
    token = request.path_params["token"]

    def end(uow: UnitOfWork) -> None:
        desk.registry(uow, request)
        name = access.authenticate(uow, token).actor.name
        if who(uow, request).name != name:
            raise Unauthenticated("only whoever holds a token ends it")
        # whoever shows a token may give it up, whatever it reaches
        access.revoke_token(uow, Actor(name), "tok_" + token.split("_")[1], reason="npm logout")

    await desk.in_transaction(request, end, writes=True)
    return desk.answer({"ok": True})


async def advisories(request: Request) -> Response:
    """What is known against versions: nothing yet, in the form that `npm audit` reads."""
    await _asked(request)
    return desk.answer({})


async def audit(request: Request) -> Response:
    """The same, for clients that ask in the older form."""
    body = await _asked(request)
    none = dict.fromkeys(("info", "low", "moderate", "high", "critical"), 0)
    counts: dict[str, Any] = {"vulnerabilities": none}
    wanted = body.get("dependencies") if isinstance(body, dict) else None
    total = len(wanted) if isinstance(wanted, dict) else 0
    counts |= {
        "dependencies": total,
        "devDependencies": 0,
        "optionalDependencies": 0,
        "totalDependencies": total,
    }
    return desk.answer({"actions": [], "advisories": {}, "muted": [], "metadata": counts})


async def _asked(request: Request) -> Any:
    await desk.in_transaction(request, lambda uow: desk.readable(uow, request))
    if request.headers.get("content-encoding", "identity") != "identity":
        await receive(request, most=MOST_AUDIT)  # compressed; whatever is asked, the answer is the same
        return None
    return await receive_json(request, most=MOST_AUDIT)
