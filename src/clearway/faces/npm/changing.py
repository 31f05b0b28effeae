"""Publishing, deprecating, tagging and unpublishing.

Rules:
1. Nothing is received before it is known that this one may push here.
2. A version that is there never changes: the same bytes again are well, others are refused. That it is
   deprecated is said of it, not in it.
3. Unpublishing needs artifact:delete and the newest revision, and does not happen in a release registry.
"""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import artifacts, catalog
from clearway.faces.counter import TooLarge, who
from clearway.kernel import Conflict, Invalid, NotFound, Refused
from clearway.storage import Blobs, Intake, UnitOfWork

from . import desk, names, publishing, reading
from .bodies import Splitter, receive_json, receive_split
from .tarballs import look_inside

MOST_TEXT = 16 << 20  # bytes around a tarball; a whole packument comes back to deprecate one version
MOST_DEPRECATED = 1024  # characters
ALGORITHMS = ("sha1", "sha512")


async def put(request: Request) -> Response:
    """Publish a version, or say which versions are deprecated."""
    name = desk.package(request)

    def permitted(uow: UnitOfWork) -> None:
        artifacts.may_push(uow, who(uow, request), desk.registry(uow, request))

    await desk.in_transaction(request, permitted)
    blobs: Blobs = request.app.state.database.tool(Blobs)
    intake = await run_in_threadpool(blobs.receive, ALGORITHMS)
    try:
        splitter = Splitter(_sink(intake, request.app.state.most_bytes), most=MOST_TEXT)
        body = publishing.mapping(await receive_split(request, splitter), "the body")
        if not body.get("_attachments"):
            return await _describe(request, name, body)
        if splitter.attachments != 1 or len(publishing.mapping(body["_attachments"], "`_attachments`")) != 1:
            raise Invalid(
                "the tarball is not where it belongs", expected="one attachment with `data` in base64"
            )
        return await _publish(request, publishing.read(body, name), intake)
    finally:
        await run_in_threadpool(intake.abandon)


def _sink(intake: Intake, most: int) -> Any:
    def write(data: bytes) -> None:
        if intake.size + len(data) > most:
            raise TooLarge(f"more than {most} bytes of tarball", expected=f"at most {most} bytes")
        intake.write(data)

    return write


async def _publish(request: Request, wanted: publishing.Publication, intake: Intake) -> Response:
    inside = await run_in_threadpool(look_inside, intake.path)
    wanted.must_agree(inside, intake.hashes, intake.size)
    path, digest = names.address(wanted.name, wanted.version), intake.digest

    def free(uow: UnitOfWork) -> None:
        place = desk.registry(uow, request)
        known = artifacts.file_at(uow, place.name, path)
        if known is not None and known.digest != digest:
            raise Conflict(
                f"{wanted.name} {wanted.version} is there already; what is published never changes",
                todo="Publish under a new version.",
            )
        if known is None:
            _unlike_others(uow, place, wanted.name)

    await desk.in_transaction(request, free)
    blob = await run_in_threadpool(intake.finish)

    def keep(uow: UnitOfWork) -> None:
        actor, place = who(uow, request), desk.registry(uow, request)
        artifacts.add_file(
            uow,
            actor,
            place,
            package=wanted.name,
            version=wanted.version,
            path=path,
            blob=blob,
            hashes=intake.hashes,
            facts=wanted.facts(inside),
        )
        for tag in wanted.tags:
            artifacts.set_tag(uow, actor, place, wanted.name, tag, wanted.version)

    await desk.in_transaction(request, keep, writes=True)
    return desk.answer({"ok": True, "id": wanted.name, "success": True}, 201)


def _unlike_others(uow: UnitOfWork, place: catalog.Registry, name: str) -> None:
    """A new name differs from those there in more than its punctuation."""
    if name.startswith("@") or artifacts.versions_of(uow, place.name, name):
        return
    squashed, cursor = names.squashed(name), None
    while True:
        page = artifacts.packages_in(uow, place.name, after=cursor, limit=5000)
        like = [each for each in page.items if each[0] != "@" and names.squashed(each) == squashed]
        if like:
            raise Conflict(
                f"{name} is too much like {like[0]}, which is there", todo="Choose a name in your scope."
            )
        cursor = page.next_cursor
        if cursor is None:
            return


async def _describe(request: Request, name: str, body: dict[str, Any]) -> Response:
    """Set or clear what is said of versions that are deprecated."""
    told = {
        version: _message(publishing.mapping(manifest, f"version {version[:100]}").get("deprecated"))
        for version, manifest in publishing.mapping(body.get("versions"), "`versions`").items()
    }

    def change(uow: UnitOfWork) -> None:
        actor, place = who(uow, request), desk.registry(uow, request)
        if "_rev" in body:
            desk.check_revision(uow, place, name, body["_rev"])
        files = {str(each.version): each for each in artifacts.files_of(uow, place.name, name)}
        unknown = sorted(set(told) - set(files))
        if unknown or not files:
            raise NotFound(
                f"{name} has no version {', '.join(unknown)[:200]}" if files else f"there is no {name}"
            )
        for version, message in told.items():
            file = files[version]
            if message != file.facts.get("deprecated", ""):
                facts = {**file.facts, "deprecated": message}
                artifacts.change_facts(uow, actor, place, file.path, facts, "npm deprecate")

    await desk.in_transaction(request, change, writes=True)
    return desk.answer({"ok": True, "id": name}, 201)


def _message(value: Any) -> str:
    if value is None or value is False:
        return ""
    if not isinstance(value, str) or len(value) > MOST_DEPRECATED:
        raise Invalid("`deprecated` is no message", expected=f"at most {MOST_DEPRECATED} characters")
    return value


def _removable(uow: UnitOfWork, request: Request) -> catalog.Registry:
    place = desk.registry(uow, request)
    artifacts.require(uow, who(uow, request), place, "delete")
    if place.maturity == "release":
        raise Refused(
            f"nothing is unpublished from {place.name}: it is a release registry",
            todo="Deprecate the version: `npm deprecate` says so to whoever installs it.",
        )
    return place


async def put_revision(request: Request) -> Response:
    """What a client sends to unpublish versions: the packument without them."""
    name, revision = desk.package(request), request.path_params["revision"]
    await desk.in_transaction(request, lambda uow: _removable(uow, request))
    body = publishing.mapping(await receive_json(request, most=MOST_TEXT), "the body")
    kept = publishing.mapping(body.get("versions"), "`versions`")

    def change(uow: UnitOfWork) -> None:
        place = _removable(uow, request)
        desk.check_revision(uow, place, name, revision)
        files = artifacts.files_of(uow, place.name, name)
        if not {str(each.version) for each in files} & set(kept):
            raise Invalid("no version would be left", expected="a DELETE of the package")
        for each in files:
            if each.version not in kept:
                artifacts.remove_file(uow, who(uow, request), place, each.path, "npm unpublish")

    await desk.in_transaction(request, change, writes=True)
    return desk.answer({"ok": True, "id": name}, 201)


async def remove(request: Request) -> Response:
    """Unpublish a package, all of its versions."""
    name, revision = desk.package(request), request.path_params["revision"]

    def change(uow: UnitOfWork) -> None:
        place = _removable(uow, request)
        files = artifacts.files_of(uow, place.name, name)
        if not files:
            raise desk.no_package(name)
        desk.check_revision(uow, place, name, revision)
        for each in files:
            artifacts.remove_file(uow, who(uow, request), place, each.path, "npm unpublish")

    await desk.in_transaction(request, change, writes=True)
    return desk.answer({"ok": True, "id": name})


async def remove_tarball(request: Request) -> Response:
    """The last step of unpublishing a version; well when the packument without it took it away already."""
    name, file = desk.package(request), request.path_params["file"]

    def change(uow: UnitOfWork) -> None:
        place, path = _removable(uow, request), f"{name}/-/{file}"
        desk.check_revision(uow, place, name, request.path_params["revision"])
        if artifacts.file_at(uow, place.name, path) is not None:
            artifacts.remove_file(uow, who(uow, request), place, path, "npm unpublish")

    await desk.in_transaction(request, change, writes=True)
    return desk.answer({"ok": True, "id": name})


async def put_tag(request: Request) -> Response:
    """Make a tag name a version."""
    name, tag = desk.package(request), names.read_tag(request.path_params["tag"])

    def permitted(uow: UnitOfWork) -> None:
        artifacts.may_push(uow, who(uow, request), desk.registry(uow, request))

    await desk.in_transaction(request, permitted)
    version = str(names.read_version(await receive_json(request, most=4096)))

    def change(uow: UnitOfWork) -> dict[str, str]:
        place = desk.registry(uow, request)
        if not artifacts.files_of(uow, place.name, name, version):
            raise NotFound(f"{name} has no version {version}")
        artifacts.set_tag(uow, who(uow, request), place, name, tag, version)
        return reading.shown_tags(uow, place.name, name)

    shown = await desk.in_transaction(request, change, writes=True)
    return desk.answer({"ok": True, "id": name, "dist-tags": shown}, 201)


async def remove_tag(request: Request) -> Response:
    """Forget a tag."""
    name, tag = desk.package(request), request.path_params["tag"]
    if tag == "latest":
        raise Invalid("latest cannot be removed", todo="Set it to another version.")

    def change(uow: UnitOfWork) -> dict[str, str]:
        place = desk.registry(uow, request)
        artifacts.remove_tag(uow, who(uow, request), place, name, tag)
        return reading.shown_tags(uow, place.name, name)

    shown = await desk.in_transaction(request, change, writes=True)
    return desk.answer({"ok": True, "id": name, "dist-tags": shown})
