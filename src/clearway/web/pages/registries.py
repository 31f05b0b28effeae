"""Registries: what is in them, how to use them, and promoting from one to another."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from clearway import artifacts, catalog
from clearway.kernel import NotFound
from clearway.storage import Blobs, UnitOfWork
from clearway.web.clients import setup
from clearway.web.visit import Visit

SHOWN = 50


def index(visit: Visit) -> Response:
    """Every registry."""
    with visit.database.read() as uow:
        known = artifacts.usage(uow)
        found = [(each, known.get(each.name, artifacts.Usage())) for each in catalog.registries(uow)]
    return visit.page("registries.html", found=found)


def show(visit: Visit) -> Response:
    """One registry: its address, how clients use it, its packages."""
    like = visit.query("like") or ""
    with visit.database.read() as uow:
        found = _readable(uow, visit)
        members = found.members or (found.name,)
        pages = [artifacts.packages_in(uow, each, like=like, limit=SHOWN) for each in members]
        names = sorted({name for page in pages for name in page.items})[:SHOWN]
        values: dict[str, Any] = {
            "found": found,
            "usage": artifacts.usage(uow).get(found.name, artifacts.Usage()),
            "names": names,
            "more": any(page.next_cursor for page in pages),
            "like": like,
        }
    return visit.page("registry.html", setup=setup(found, visit.request.app.state.settings.url), **values)


def package(visit: Visit) -> Response:
    """One package: versions, tags, and all that belongs to one version."""
    name, version = visit.query("of") or "", visit.query("version")
    with visit.database.read() as uow:
        found = _readable(uow, visit)
        place = next(iter(artifacts.look_in(uow, found, name)), found)
        versions = artifacts.versions_of(uow, place.name, name)
        tags = artifacts.tags_of(uow, place.name, name)
        if not versions and not tags:
            raise NotFound(f"{found.name} has no package {name[:100]}")
        chosen = version or (versions[0].version if versions else sorted(tags)[0])
        targets = [
            each.name
            for each in catalog.registries(uow)
            if each.format == place.format and each.mode == "local" and each.name != place.name
        ]
        values: dict[str, Any] = {
            "found": found,
            "place": place,
            "name": name,
            "versions": versions,
            "tags": tags,
            "chosen": chosen,
            "closure": artifacts.closure(uow, place, name, chosen),
            "targets": targets if visit.may(uow, "artifact:promote") else [],
        }
    return visit.page("package.html", **values)


def promote(visit: Visit) -> Response:
    """Have a version in another registry too."""
    registry, name = visit.part("name"), visit.said("package", 400)
    version, to = visit.said("version", 200), visit.said("to", 60)
    with visit.database.read() as uow:
        source, target = catalog.registry(uow, registry), catalog.registry(uow, to)
        artifacts.require(uow, visit.actor, source, "read")
        artifacts.require(uow, visit.actor, target, "promote")
        seen = artifacts.closure(uow, source, name, version, target.requires)
    artifacts.prove(visit.database.tool(Blobs), seen.files)
    with visit.database.begin() as uow:
        artifacts.promote(
            uow,
            visit.actor,
            catalog.registry(uow, registry),
            catalog.registry(uow, to),
            name,
            version,
            reason=visit.said("reason"),
            proven=[each.digest for each in seen.files],
        )
    query = urlencode({"of": name, "version": version})
    return visit.go(
        f"/registries/{to}/package?{query}", f"{name} {version} is in {to}, with the same digests."
    )


def _readable(uow: UnitOfWork, visit: Visit) -> catalog.Registry:
    found = catalog.registry(uow, visit.part("name"))
    artifacts.require(uow, visit.actor, found, "read")
    return found
