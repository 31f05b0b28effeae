"""`/pypi/REGISTRY/`: the Simple API, files with their metadata beside them, and twine's upload.

Rules:
1. What was uploaded never changes: the same bytes again are well, other bytes under the name are refused.
2. A page is made once for each change of its project, and kept as bytes.
3. Errors are one line of text: pip, uv and twine show the answer's text as it is.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from clearway import artifacts, catalog
from clearway.faces.counter import Form, TooLarge, hang_up, read_form, send, text, who
from clearway.kernel import ClearwayError, Conflict, Invalid, NotFound, is_digest
from clearway.storage import Blobs, Database, UnitOfWork

from . import distributions, simple

T = TypeVar("T")
MOST_BYTES = 4 << 30
MOST_PAGES = 2000
MOST_PAGE = 16 << 20  # bytes of a page that is kept
ALGORITHMS = ("md5", "blake2b-256")


def create_app(database: Database, *, most_bytes: int = MOST_BYTES) -> Starlette:
    """The application over one database and its blobs."""
    base = "/pypi/{registry}"
    app = Starlette(
        routes=[
            Route(f"{base}/simple/", index, methods=["GET"]),
            Route(f"{base}/simple/{{project}}/", project, methods=["GET"]),
            Route(f"{base}/simple/{{project}}", to_folder, methods=["GET"]),
            Route(f"{base}/files/{{project}}/{{name}}", download, methods=["GET"]),
            Route(f"{base}/legacy/", upload, methods=["POST"]),
            Route(f"{base}/", upload, methods=["POST"]),
        ],
        exception_handlers={ClearwayError: refuse},
    )
    app.state.database = database
    app.state.most_bytes = most_bytes
    app.state.pages = OrderedDict()
    return app


async def refuse(request: Request, error: Exception) -> Response:
    """One line of text. What a client sent wrongly is 400 for them, as with other indexes."""
    answer = text(error)
    if request.method == "POST" and isinstance(error, Invalid | Conflict) and not isinstance(error, TooLarge):
        answer.status_code = 409 if isinstance(error, Conflict) else 400
    return hang_up(request, answer)


def _registry(uow: UnitOfWork, request: Request) -> catalog.Registry:
    name = request.path_params["registry"]
    found = next((each for each in catalog.registries(uow) if each.name == name), None)
    if found is None or found.format != "pypi":
        raise NotFound(f"there is no registry {name[:60]} for Python packages")
    return found


async def _in_transaction(request: Request, act: Callable[[UnitOfWork], T], *, writes: bool = False) -> T:
    database: Database = request.app.state.database

    def run() -> T:
        with database.begin() if writes else database.read() as uow:
            return act(uow)

    return await run_in_threadpool(run)


def _readable(uow: UnitOfWork, request: Request) -> catalog.Registry:
    registry = _registry(uow, request)
    artifacts.require(uow, who(uow, request), registry, "read")
    return registry


def _form(request: Request) -> str:
    found = simple.wanted(request.headers.get("accept", ""), request.query_params.get("format"))
    return found or _refuse_form()


class _NoSuchForm(ClearwayError):
    """The client wants a form that the Simple API does not have."""

    status = 406
    title = "Not acceptable"


def _refuse_form() -> NoReturn:
    raise _NoSuchForm("this page is not there in that form", expected=f"{simple.JSON}, {simple.HTML}")


async def index(request: Request) -> Response:
    """All projects."""
    form = _form(request)

    def look(uow: UnitOfWork) -> list[str]:
        registry = _readable(uow, request)
        names: set[str] = set()
        for place in registry.members or (registry.name,):
            cursor = None
            while True:
                page = artifacts.packages_in(uow, place, after=cursor, limit=5000)
                names |= set(page.items)
                cursor = page.next_cursor
                if cursor is None:
                    break
        return sorted(names)

    content = simple.project_list(await _in_transaction(request, look), form)
    return _page(request, content, form, '"' + hashlib.sha256(content).hexdigest() + '"')


async def to_folder(request: Request) -> Response:
    """The address with its last slash, which relative links need."""
    name = distributions.normalised(request.path_params["project"])
    return RedirectResponse(f"{name}/", 301)


async def project(request: Request) -> Response:
    """One project; under its normalised name."""
    asked = request.path_params["project"]
    name = distributions.normalised(asked)
    if name != asked:
        return RedirectResponse(f"../{name}/", 301)
    form = _form(request)
    pages: OrderedDict[Any, tuple[bytes, str]] = request.app.state.pages

    def look(uow: UnitOfWork) -> tuple[bytes, str]:
        registry = _readable(uow, request)
        place = next(iter(artifacts.look_in(uow, registry, name)), None)
        if place is None:
            raise NotFound(f"{registry.name} has no project {name}")
        key = (place.name, name, form, artifacts.change_of(uow, place.name, name))
        if (kept := pages.get(key)) is not None:
            return kept
        files = artifacts.files_of(uow, place.name, name)
        if not files:
            raise NotFound(f"{registry.name} has no project {name}")
        content = simple.project(name, files, form)
        made = (content, '"' + hashlib.sha256(content).hexdigest() + '"')
        if len(content) <= MOST_PAGE:
            pages[key] = made
            while len(pages) > MOST_PAGES:
                pages.popitem(last=False)
        return made

    content, tag = await _in_transaction(request, look)
    return _page(request, content, form, tag)


def _page(request: Request, content: bytes, form: str, tag: str) -> Response:
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if tag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    kind = f"{form}; charset=utf-8" if form == simple.PLAIN else form
    return Response(content, 200, {**headers, "Content-Type": kind})


async def download(request: Request) -> Response:
    """A distribution, or its metadata (PEP 658) under the name with `.metadata`."""
    package, name = request.path_params["project"], request.path_params["name"]
    beside = name.endswith(".metadata")
    path = f"{package}/{name.removesuffix('.metadata')}"

    def find(uow: UnitOfWork) -> artifacts.File:
        registry = _readable(uow, request)
        for place in artifacts.look_in(uow, registry, package):
            if found := artifacts.file_at(uow, place.name, path):
                return found
        raise NotFound(f"there is no {name[:200]} in {registry.name}")

    found = await _in_transaction(request, find)
    where = await run_in_threadpool(request.app.state.database.tool(Blobs).path, found.digest)
    if not beside:
        return send(request, found, where, {"Cache-Control": "private, max-age=31536000, immutable"})
    named = distributions.read_file_name(name.removesuffix(".metadata"))
    described = await run_in_threadpool(distributions.describe, named, where)
    return Response(described.metadata, media_type="text/plain; charset=utf-8")


async def upload(request: Request) -> Response:
    """What twine and uv send (`:action=file_upload`): 200 when it is there now, whoever brought it."""

    def permitted(uow: UnitOfWork) -> None:
        artifacts.may_push(uow, who(uow, request), _registry(uow, request))

    await _in_transaction(request, permitted)
    blobs: Blobs = request.app.state.database.tool(Blobs)
    most: int = request.app.state.most_bytes
    form = await read_form(request, blobs, file="content", most=most, algorithms=ALGORITHMS)
    try:
        named = _named(form)
        described = await run_in_threadpool(distributions.describe, named, form.intake.path)
        blob = await run_in_threadpool(form.intake.finish, "sha256:" + _digest(form))
    finally:
        await run_in_threadpool(form.intake.abandon)

    def keep(uow: UnitOfWork) -> None:
        artifacts.add_file(
            uow,
            who(uow, request),
            _registry(uow, request),
            package=named.package,
            version=str(named.version),
            path=f"{named.package}/{named.file_name}",
            blob=blob,
            hashes={"md5": form.intake.hashes["md5"], "blake2b-256": form.intake.hashes["blake2b-256"]},
            facts={
                "requires_python": described.requires_python,
                "metadata": distributions.metadata_digest(described.metadata),
                "summary": described.summary,
            },
        )

    await _in_transaction(request, keep, writes=True)
    return Response("it is there\n", 200, media_type="text/plain")


def _named(form: Form) -> distributions.Distribution:
    if form.one(":action") != "file_upload" or form.one("protocol_version") not in ("", "1"):
        raise Invalid("this is no upload of a file", expected=":action=file_upload, protocol_version=1")
    if form.file_name is None:
        raise Invalid("no file came", expected="the distribution in the field `content`")
    if "attestations" in form.values:
        raise Invalid(
            "attestations are not taken here: nobody would check them",
            todo="Upload without --attestations; `clearway attest` sends evidence that is checked.",
        )
    named = distributions.read_file_name(form.file_name)
    if distributions.normalised(form.one("name")) != named.package:
        raise Invalid(f"the form says {form.one('name')[:100]}, the file {named.file_name}")
    return named


def _digest(form: Form) -> str:
    """The SHA-256 that the bytes must have, after the other digests were held against them."""
    for field, name in (("md5_digest", "md5"), ("blake2_256_digest", "blake2b-256")):
        told = form.one(field).lower()
        if told and told != form.intake.hashes[name]:
            raise Invalid(f"{field} is not that of the bytes that came", todo="Upload it again.")
    told = form.one("sha256_digest").lower() or form.intake.digest.removeprefix("sha256:")
    if not is_digest("sha256:" + told) or "sha256:" + told != form.intake.digest:
        raise Invalid("sha256_digest is not that of the bytes that came", todo="Upload it again.")
    return told
