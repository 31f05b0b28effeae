"""Teams, services, environments, routes, and the documents that declare them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import catalog
from clearway.api import platform
from clearway.api.ask import Asked
from clearway.api.bodies import ApplyBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, paged, read_page
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["platform"])


@router.post("/apply", **needs("platform:apply", "Applied", errors=(409,)))
def apply(ask: Asked, body: ApplyBody, dry_run: Annotated[bool, Query()] = False) -> Response:
    """Make the platform what the documents say; `dry_run` shows the diff and changes nothing."""
    documents = platform.read(body.files, body.variables)

    def act(uow: UnitOfWork) -> dict[str, object]:
        diffs = platform.apply(uow, ask.actor, documents, prune=body.prune)
        return {"dry_run": dry_run, "diffs": [platform.shown_diff(diff) for diff in diffs]}

    return ask.rehearse(act) if dry_run else ask.write(act)


@router.get("/teams", **needs("platform:read", "TeamPage"))
def teams(ask: Asked, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Every team."""
    return read_page(ask, lambda uow: paged(catalog.teams(uow), lambda each: each.name, cursor, limit))


@router.get("/services", **needs("platform:read", "ServicePage"))
def services(ask: Asked, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Every service."""
    return read_page(ask, lambda uow: paged(catalog.services(uow), lambda each: each.name, cursor, limit))


@router.get("/services/{name}", **needs("platform:read", "Service", errors=(404,)))
def service(ask: Asked, name: str) -> Response:
    """One service."""
    return ask.read(lambda uow: catalog.service(uow, name))


@router.get("/environments", **needs("platform:read", "EnvironmentPage"))
def environments(ask: Asked, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Every environment with its gates, from the left of the pages to the right."""

    def key(each: catalog.Environment) -> str:
        return f"{each.order:04}/{each.name}"

    return read_page(ask, lambda uow: paged(catalog.environments(uow), key, cursor, limit))


@router.get("/environments/{name}", **needs("platform:read", "Environment", errors=(404,)))
def environment(ask: Asked, name: str) -> Response:
    """One environment with its gates."""
    return ask.read(lambda uow: catalog.environment(uow, name))


@router.get("/routes", **needs("platform:read", "RoutePage"))
def routes(ask: Asked, cursor: Cursor = None, limit: Limit = 100) -> Response:
    """Every route."""
    return read_page(ask, lambda uow: paged(catalog.routes(uow), lambda each: each.name, cursor, limit))
