"""`/maven/REGISTRY/...`: what Maven, Gradle, sbt and curl do with a repository of Maven's layout.

Rules:
1. A version that is no snapshot never changes: the same bytes again are well, others a conflict. A snapshot's
   builds stay, each under its time and number; snapshots are for registries of the maturity `dev`.
2. Metadata is made here from what is stored. What clients send as such is checked and dropped: each merges
   its own with what it saw, and of two at once the slower one would forget the other's version.
3. Checksums are of the bytes that are stored; one that a client sends and that is not is told, with 4xx.
4. Errors are one line of text: it is all that Maven shows.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from clearway import artifacts, catalog
from clearway.faces.counter import TooLarge, hang_up, send, text, who
from clearway.faces.counter.bytes_in import pour
from clearway.kernel import ClearwayError, Conflict, Invalid, NotFound
from clearway.storage import Blobs, Database, Intake, UnitOfWork

from . import documents, layout
from .layout import Address

T = TypeVar("T")
MOST_BYTES = 8 << 30
MOST_CHECKSUM = 4096  # bytes of a checksum's file; some tools add the file's name
MOST_PAGES = 2000
ALGORITHMS = ("md5", "sha1", "sha512")
_MEDIA_TYPES = {"pom": "application/xml", "jar": "application/java-archive", "module": "application/json"}


def create_app(database: Database, *, most_bytes: int = MOST_BYTES) -> Starlette:
    """The application over one database and its blobs."""
    app = Starlette(
        routes=[
            Route("/maven/{registry}/{path:path}", get, methods=["GET"]),
            Route("/maven/{registry}/{path:path}", put, methods=["PUT"]),
        ],
        exception_handlers={ClearwayError: refuse},
    )
    app.state.database = database
    app.state.most_bytes = most_bytes
    app.state.pages = OrderedDict()
    return app


async def refuse(request: Request, error: Exception) -> Response:
    """An error as a line of text."""
    return hang_up(request, text(error))


def _registry(uow: UnitOfWork, request: Request) -> catalog.Registry:
    name = request.path_params["registry"]
    found = next((each for each in catalog.registries(uow) if each.name == name), None)
    if found is None or found.format != "maven":
        raise NotFound(f"there is no Maven registry {name[:60]}")
    return found


def _address(request: Request) -> Address:
    path: str = request.scope["path"]  # whole: a route's pattern leaves out a last line feed
    return layout.read(path.split("/", 3)[3])


async def _in_transaction(request: Request, act: Callable[[UnitOfWork], T], *, writes: bool = False) -> T:
    database: Database = request.app.state.database

    def run() -> T:
        with database.begin() if writes else database.read() as uow:
            return act(uow)

    return await run_in_threadpool(run)


async def put(request: Request) -> Response:
    """A file (201 when it is new), or what a client says of one: its checksum, its metadata (200)."""
    address = _address(request)

    def permitted(uow: UnitOfWork) -> None:
        registry = _registry(uow, request)
        artifacts.may_push(uow, who(uow, request), registry)
        if address.snapshot and registry.maturity == "release":
            todo = "Deploy snapshots to a registry of the maturity dev."
            raise Conflict(f"{registry.name} is for releases, {address.version} is none", todo=todo)

    await _in_transaction(request, permitted)
    blobs: Blobs = request.app.state.database.tool(Blobs)
    intake = await run_in_threadpool(blobs.receive, ALGORITHMS)
    try:
        await _pour(request, intake, address)
        if address.checksum is None and not address.metadata:
            return await _store(request, address, intake)
        data = await run_in_threadpool(intake.path.read_bytes)
    finally:
        await run_in_threadpool(intake.abandon)
    if address.checksum is not None:
        await _compare(request, address, data)
    else:
        await run_in_threadpool(documents.check_metadata, data, address)
    return Response(status_code=200)


async def _pour(request: Request, intake: Intake, address: Address) -> None:
    most: int = request.app.state.most_bytes
    if address.checksum is not None:
        most = MOST_CHECKSUM
    elif address.metadata or address.extension == "pom":
        most = documents.MOST_XML
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise TooLarge(f"{int(told)} bytes", expected=f"at most {most} bytes")
    try:
        await pour(request.stream(), intake, most=most)
    except ClientDisconnect:
        raise Invalid("the client left before the end") from None


async def _store(request: Request, address: Address, intake: Intake) -> Response:
    facts: dict[str, Any] = {
        "group": address.group,
        "artifact": address.artifact,
        "classifier": address.classifier,
        "extension": address.extension,
    }
    if address.extension == "pom" and not address.classifier:
        data = await run_in_threadpool(intake.path.read_bytes)
        pom = await run_in_threadpool(documents.read_pom, data)
        documents.check_pom(pom, address)
        facts |= {"packaging": pom.packaging, "name": pom.name, "description": pom.description}
        facts |= {"licences": list(pom.licences)}
    told = request.headers.get("content-length", "")
    blob = await run_in_threadpool(intake.finish, None, int(told) if told.isdecimal() else None)

    def keep(uow: UnitOfWork) -> bool:
        registry = _registry(uow, request)
        known = artifacts.file_at(uow, registry.name, address.path)
        artifacts.add_file(
            uow,
            who(uow, request),
            registry,
            package=address.package,
            version=address.version,
            path=address.path,
            blob=blob,
            media_type=_MEDIA_TYPES.get(address.extension, "application/octet-stream"),
            hashes=intake.hashes,
            facts=facts,
            replaces=address.snapshot and address.build is None,
        )
        if known is None:  # after it was added: whoever adds to the same package waits until here
            _same_letters(uow, registry, address)
        return known is None

    return Response(status_code=201 if await _in_transaction(request, keep, writes=True) else 200)


def _same_letters(uow: UnitOfWork, registry: catalog.Registry, address: Address) -> None:
    """Raises Conflict when something has this name but for its capitals."""
    versions = artifacts.versions_of(uow, registry.name, address.package)
    others = [each.version for each in versions if each.version != address.version]
    for other in others:
        if other.lower() == (address.version or "").lower():
            raise _looks_like(other)
    files = artifacts.files_of(uow, registry.name, address.package, address.version)
    beside = [file for file in files if file.path != address.path]
    if not beside and others:
        beside = artifacts.files_of(uow, registry.name, address.package, others[0])
    for file in beside:
        same = (file.facts.get("group"), file.facts.get("artifact")) == (address.group, address.artifact)
        if not same or file.path.lower() == address.path.lower():
            raise _looks_like(file.path)


def _looks_like(known: str) -> Conflict:
    return Conflict(
        f"{known} is here already, and differs in capitals only",
        todo="Use the letters that it has, or another name.",
    )


async def _compare(request: Request, address: Address, data: bytes) -> None:
    name = address.checksum or ""
    words = data.decode("ascii", "replace").split()
    told = words[0].lower() if words else ""
    if len(told) != layout.CHECKSUMS[name] or not all(each in "0123456789abcdef" for each in told):
        raise Invalid(f"this is no {name}", expected=f"{layout.CHECKSUMS[name]} hexadecimal digits")
    if address.metadata:
        return  # of the client's own metadata, which is not what is stored

    def look(uow: UnitOfWork) -> None:
        registry = _registry(uow, request)
        file = artifacts.file_at(uow, registry.name, address.path)
        if file is None:
            raise NotFound(f"there is no {address.path}", todo="Send the file before its checksum.")
        if told != _checksum(file, name):
            message = f"the {name} of {address.path} that came is not that of the bytes that came"
            raise Invalid(message, expected=_checksum(file, name))

    await _in_transaction(request, look)


def _checksum(file: artifacts.File, name: str) -> str:
    if name == "sha256":
        return file.digest.removeprefix("sha256:")
    if name not in file.hashes:
        raise NotFound(f"no {name} of {file.path} is known")
    return file.hashes[name]


async def get(request: Request) -> Response:
    """A file, its checksum, or metadata as it is now."""
    address = _address(request)

    def find(uow: UnitOfWork) -> artifacts.File | bytes:
        registry = _registry(uow, request)
        artifacts.require(uow, who(uow, request), registry, "read")
        for place in artifacts.look_in(uow, registry, address.package):
            found = (
                _metadata(request, uow, place.name, address)
                if address.metadata
                else artifacts.file_at(uow, place.name, address.path)
            )
            if found is not None:
                return found
        raise NotFound(f"there is no {address.path} in {registry.name}")

    found = await _in_transaction(request, find)
    if isinstance(found, bytes):
        return _page(request, found, address.checksum)
    if address.checksum is not None:
        return Response(_checksum(found, address.checksum), media_type="text/plain")
    where = await run_in_threadpool(request.app.state.database.tool(Blobs).path, found.digest)
    more = {
        f"X-Checksum-{name.title()}": found.hashes[name] for name in ("sha1", "md5") if name in found.hashes
    }
    return send(request, found, where, {"Cache-Control": "private, no-cache", **more})


def _page(request: Request, content: bytes, checksum: str | None) -> Response:
    if checksum is not None:
        made = hashlib.new(checksum, content, usedforsecurity=False).hexdigest()
        return Response(made, media_type="text/plain")
    headers = {"Cache-Control": "private, no-cache", "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
    for name in ("sha1", "md5"):  # beside the bytes: between two requests another may have deployed
        headers[f"X-Checksum-{name.title()}"] = hashlib.new(name, content, usedforsecurity=False).hexdigest()
    if headers["ETag"] in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/xml")


def _metadata(request: Request, uow: UnitOfWork, registry: str, address: Address) -> bytes | None:
    """Metadata as it is now, made once for each change of its package."""
    pages: OrderedDict[Any, bytes] = request.app.state.pages
    number = artifacts.change_of(uow, registry, address.package)
    key = (registry, address.path, number)
    if (kept := pages.get(key)) is not None:
        return kept
    made = _of_snapshot(uow, registry, address) if address.version else _of_versions(uow, registry, address)
    if made is not None:
        pages[key] = made
        while len(pages) > MOST_PAGES:
            pages.popitem(last=False)
    return made


def _of_versions(uow: UnitOfWork, registry: str, address: Address) -> bytes | None:
    versions = artifacts.versions_of(uow, registry, address.package)
    if not versions:
        return None
    newest = artifacts.files_of(uow, registry, address.package, versions[0].version)
    if not any(_is_of(file, address) for file in newest):
        return None
    names = [each.version for each in reversed(versions)]
    return documents.of_versions(address.group, address.artifact, names, max(each.at for each in newest))


def _of_snapshot(uow: UnitOfWork, registry: str, address: Address) -> bytes | None:
    files = artifacts.files_of(uow, registry, address.package, address.version)
    files = [file for file in files if _is_of(file, address)]
    if not files:
        return None
    return documents.of_snapshot([layout.read(file.path) for file in files], max(each.at for each in files))


def _is_of(file: artifacts.File, address: Address) -> bool:
    return (file.facts.get("group"), file.facts.get("artifact")) == (address.group, address.artifact)
