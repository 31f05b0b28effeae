"""`/generic/REGISTRY/NAME/VERSION/FILE`: PUT, GET, HEAD and DELETE of any file, as curl does them.

Rules:
1. The first part of an address is the package, the second its version, the rest the file.
2. A digest that the client sends along (`Repr-Digest`, `Content-Digest` or `X-Checksum-Sha256`) must be that
   of the bytes; a PUT of the same bytes again is well, one of others is a conflict.
3. Letters are ASCII, and a package's name has no capitals: nothing looks like another name and is not it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import artifacts, catalog
from clearway.faces.counter import receive, send, who
from clearway.kernel import Invalid, NotFound, is_digest
from clearway.storage import Blobs, Database, UnitOfWork

T = TypeVar("T")

MOST_BYTES = 50 << 30
_PACKAGE = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*\Z")
_PART = re.compile(r"[A-Za-z0-9_+~-][A-Za-z0-9._+~-]*\Z")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


def address(path: str) -> tuple[str, str]:
    """Package and version of an address. Raises Invalid, naming the part that is wrong."""
    parts = path.split("/")
    if len(parts) < 3:
        raise Invalid(f"/{path[:100]} has {len(parts)} parts", expected="NAME/VERSION/FILE")
    if not _PACKAGE.match(parts[0]) or len(parts[0]) > 100:
        _refuse(parts[0], "a name of small letters, digits and single . _ -, at most 100")
    for part in parts[1:]:
        if not _PART.match(part) or len(part) > 200:
            _refuse(part, "letters, digits and . _ + ~ -, not beginning with a dot, at most 200")
    return parts[0], parts[1]


def _refuse(part: str, expected: str) -> NoReturn:
    raise Invalid(f"{part[:100]!r} cannot be part of an address", expected=expected)


def promised(request: Request) -> str | None:
    """The digest that the client says the bytes have. Raises Invalid for one that is none."""
    shown = request.headers.get("repr-digest") or request.headers.get("content-digest") or ""
    if shown:
        found = _DIGEST.search(shown)
        try:
            return "sha256:" + base64.b64decode(found[1], validate=True).hex() if found else _no_digest()
        except binascii.Error:
            _no_digest()
    plain = request.headers.get("x-checksum-sha256")
    if plain is None:
        return None
    digest = "sha256:" + plain.strip().lower()
    return digest if is_digest(digest) else _no_digest()


def _no_digest() -> NoReturn:
    raise Invalid(
        "the digest that came along cannot be read",
        expected="Repr-Digest: sha-256=:BASE64:, or X-Checksum-Sha256: 64 hexadecimal digits",
    )


def _registry(uow: UnitOfWork, request: Request) -> catalog.Registry:
    name = request.path_params["registry"]
    found = next((each for each in catalog.registries(uow) if each.name == name), None)
    if found is None or found.format != "generic":
        raise NotFound(f"there is no generic registry {name[:60]}")
    return found


async def _in_transaction(request: Request, act: Callable[[UnitOfWork], T], *, writes: bool) -> T:
    database: Database = request.app.state.database

    def run() -> T:
        with database.begin() if writes else database.read() as uow:
            return act(uow)

    return await run_in_threadpool(run)


async def put(request: Request) -> Response:
    """Store a file: 201 when it is new, 200 when it was there, 409 when other bytes were."""
    path = request.path_params["path"]
    package, version = address(path)

    def permitted(uow: UnitOfWork) -> None:
        artifacts.may_push(uow, who(uow, request), _registry(uow, request))

    await _in_transaction(request, permitted, writes=False)
    expected, blobs = promised(request), request.app.state.database.tool(Blobs)
    received = await receive(request, blobs, most=request.app.state.most_bytes, expected=expected)

    def keep(uow: UnitOfWork) -> tuple[artifacts.File, bool]:
        registry = _registry(uow, request)
        known = artifacts.file_at(uow, registry.name, path)
        made = artifacts.add_file(
            uow,
            who(uow, request),
            registry,
            package=package,
            version=version,
            path=path,
            blob=received.blob,
        )
        return made, known is None

    made, new = await _in_transaction(request, keep, writes=True)
    content = {"digest": made.digest, "size": made.size, "path": made.path}
    return Response(json.dumps(content), 201 if new else 200, media_type="application/json")


async def get(request: Request) -> Response:
    """The file, or the part of it that Range asks for."""
    path = request.path_params["path"]
    package, _ = address(path)

    def find(uow: UnitOfWork) -> artifacts.File:
        registry = _registry(uow, request)
        artifacts.require(uow, who(uow, request), registry, "read")
        for place in artifacts.look_in(uow, registry, package):
            if found := artifacts.file_at(uow, place.name, path):
                return found
        raise NotFound(f"there is no {path[:200]} in {registry.name}")

    found = await _in_transaction(request, find, writes=False)
    blobs: Blobs = request.app.state.database.tool(Blobs)
    where = await run_in_threadpool(blobs.path, found.digest)
    return send(request, found, where, {"Cache-Control": "private, no-cache"})


async def remove(request: Request) -> Response:
    """Take the file out of the registry."""
    path = request.path_params["path"]
    address(path)

    def act(uow: UnitOfWork) -> None:
        registry = _registry(uow, request)
        artifacts.remove_file(uow, who(uow, request), registry, path, "deleted by a client")

    await _in_transaction(request, act, writes=True)
    return Response(status_code=204)
