"""Registries: what is in them, and promoting from one to another. Their clients speak to the faces."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import artifacts, catalog
from clearway.api.ask import Ask, Asked
from clearway.api.bodies import RegistryPromotionBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, paged, read_page
from clearway.api.shown import shown
from clearway.storage import Blobs, Page, UnitOfWork

router = APIRouter(prefix="/v1/registries", route_class=Guarded, tags=["artifacts"])
Package = Annotated[str, Query(min_length=1, max_length=400, description="The package's name.")]
Version = Annotated[str, Query(min_length=1, max_length=200, description="A version, tag or digest.")]


def _show(uow: UnitOfWork, found: catalog.Registry) -> dict[str, Any]:
    known = artifacts.usage(uow).get(found.name, artifacts.Usage())
    return {**shown(found), "usage": shown(known)}


def _readable(uow: UnitOfWork, ask: Ask, name: str) -> catalog.Registry:
    found = catalog.registry(uow, name)
    artifacts.require(uow, ask.actor, found, "read")
    return found


@router.get("", **needs("artifact:read", "RegistryPage"))
def registries(ask: Asked, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Every registry, and how much is in it."""

    def look(uow: UnitOfWork) -> Page[Any]:
        known = artifacts.usage(uow)
        page = paged(catalog.registries(uow), lambda each: each.name, cursor, limit)
        items = [
            {**shown(each), "usage": shown(known.get(each.name, artifacts.Usage()))} for each in page.items
        ]
        return Page(items, page.next_cursor)

    return read_page(ask, look)


@router.get("/{name}", **needs("artifact:read", "Registry", errors=(404,)))
def registry(ask: Asked, name: str) -> Response:
    """One registry."""
    return ask.read(lambda uow: _show(uow, catalog.registry(uow, name)))


@router.get("/{name}/packages", **needs("artifact:read", "PackageNamePage", errors=(404,)))
def packages(
    ask: Asked,
    name: str,
    like: Annotated[str | None, Query(max_length=200, description="Part of the name.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """The names of its packages, in order."""

    def look(uow: UnitOfWork) -> Page[str]:
        found = _readable(uow, ask, name)
        return artifacts.packages_in(uow, found.name, after=cursor, limit=limit, like=like)

    return read_page(ask, look)


@router.get("/{name}/versions", **needs("artifact:read", "PackageVersionList", errors=(404,)))
def versions(ask: Asked, name: str, package: Package) -> Response:
    """A package's versions, newest arrival first, and its tags."""

    def look(uow: UnitOfWork) -> object:
        found = _readable(uow, ask, name)
        return {
            "items": [shown(each) for each in artifacts.versions_of(uow, found.name, package)],
            "tags": artifacts.tags_of(uow, found.name, package),
        }

    return ask.read(look)


@router.get("/{name}/closure", **needs("artifact:read", "PackageClosure", errors=(404,)))
def closure(
    ask: Asked,
    name: str,
    package: Package,
    version: Version,
    to: Annotated[str | None, Query(max_length=60, description="For a promotion to this registry.")] = None,
) -> Response:
    """Everything that belongs to a version: what a promotion would take along, and what it lacks for it."""

    def look(uow: UnitOfWork) -> object:
        found = _readable(uow, ask, name)
        asked = catalog.registry(uow, to).requires if to else ()
        return artifacts.closure(uow, found, package, version, asked).as_json()

    return ask.read(look)


@router.post("/{name}/promotions", **needs("artifact:promote", "PackageClosure", errors=(404, 409)))
def promote(ask: Asked, name: str, body: RegistryPromotionBody) -> Response:
    """Have a version in another registry too, with all that belongs to it. Bytes are hashed again first."""
    with ask.database.read() as uow:
        source, target = _readable(uow, ask, name), catalog.registry(uow, body.to)
        artifacts.require(uow, ask.actor, target, "promote")
        seen = artifacts.closure(uow, source, body.package, body.version, target.requires)
    artifacts.prove(ask.database.tool(Blobs), seen.files)

    def act(uow: UnitOfWork) -> object:
        done = artifacts.promote(
            uow,
            ask.actor,
            catalog.registry(uow, name),
            catalog.registry(uow, body.to),
            body.package,
            body.version,
            reason=body.reason,
            proven=[each.digest for each in seen.files],
        )
        return done.as_json()

    return ask.write(act)
