"""What every address of this face does first: which registry, which package, who asks; and errors as npm
shows them: `error` in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import artifacts, catalog
from clearway.faces.counter import TooLarge, who
from clearway.kernel import ClearwayError, Conflict, Invalid, NotFound, Unauthenticated
from clearway.storage import Database, UnitOfWork

from . import names

T = TypeVar("T")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?\Z|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?\Z")


async def refuse(_: Request, error: Exception) -> Response:
    """An error as npm, pnpm and yarn show it. What a client sent wrongly is 400."""
    if not isinstance(error, ClearwayError):
        raise error
    parts = [error.message]
    parts += [f"expected {error.expected}"] if error.expected else []
    parts += [error.todo] if error.todo else []
    status = 400 if isinstance(error, Invalid) and not isinstance(error, TooLarge) else error.status
    headers = {"WWW-Authenticate": 'Bearer realm="Clearway"'} if isinstance(error, Unauthenticated) else {}
    return answer({"ok": False, "error": "; ".join(parts)}, status, headers)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON."""
    fixed = {"Cache-Control": "private, no-store", **(headers or {})}
    data = json.dumps(content, ensure_ascii=False).encode()
    return Response(data, status, fixed, media_type="application/json")


async def in_transaction(request: Request, act: Callable[[UnitOfWork], T], *, writes: bool = False) -> T:
    """What an act gives, in a thread of its own, inside one transaction."""
    database: Database = request.app.state.database

    def run() -> T:
        with database.begin() if writes else database.read() as uow:
            return act(uow)

    return await run_in_threadpool(run)


def registry(uow: UnitOfWork, request: Request) -> catalog.Registry:
    """The registry of an address. Raises NotFound."""
    name = request.path_params["registry"]
    found = next((each for each in catalog.registries(uow) if each.name == name), None)
    if found is None or found.format != "npm":
        raise NotFound(f"there is no registry {name[:60]} for npm packages")
    return found


def readable(uow: UnitOfWork, request: Request) -> catalog.Registry:
    """The registry of an address, for one who may read there. Raises NotFound, Refused, Unauthenticated."""
    place = registry(uow, request)
    artifacts.require(uow, who(uow, request), place, "read")
    return place


def package(request: Request) -> str:
    """The package of an address. Raises Invalid."""
    name, scope = request.path_params["name"], request.path_params.get("scope")
    return names.read_name(name if scope is None else f"@{scope}/{name}")


def owner(uow: UnitOfWork, request: Request, name: str) -> catalog.Registry:
    """Where a package is for one who reads. Raises NotFound, Refused, Unauthenticated."""
    place = next(iter(artifacts.look_in(uow, readable(uow, request), name)), None)
    if place is None:
        raise no_package(name)
    return place


def no_package(name: str) -> NotFound:
    """That there is no such package here."""
    return NotFound(f"there is no package {name} here")


def base(request: Request) -> str:
    """The address of the registry as this client sees it, with a slash at its end. Raises Invalid."""
    host = request.headers.get("host", "")
    if not _HOST.match(host):
        raise Invalid("the Host header names no host")
    return f"{request.scope['scheme']}://{host}/npm/{request.path_params['registry']}/"


def revision(uow: UnitOfWork, place: catalog.Registry, name: str) -> str:
    """What clients call the state of a package; it changes with each change."""
    return f"{artifacts.change_of(uow, place.name, name)}-clearway"


def check_revision(uow: UnitOfWork, place: catalog.Registry, name: str, shown: object) -> None:
    """Returns when a client saw the newest state. Raises Conflict."""
    if shown != revision(uow, place, name):
        raise Conflict(f"{name} was changed by somebody else meanwhile", todo="Try again.")
