"""Whether a service's history keeps to the rules of its branches."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clearway import catalog, source
from clearway.api.ask import Asked
from clearway.api.bodies import SyncBody
from clearway.api.guard import Guarded, needs
from clearway.api.shown import shown
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1/services", route_class=Guarded, tags=["source"])


@router.get("/{service}/violations", **needs("release:read", "BranchCheck", errors=(404,)))
def violations(ask: Asked, service: str) -> Response:
    """What was found when the history was judged last."""

    def look(uow: UnitOfWork) -> Any:
        known = catalog.service(uow, service)
        return _shown(known, source.checked(uow, service))

    return ask.read(look)


@router.post("/{service}/check", **needs("build:run", "BranchCheck", errors=(404, 409)))
def check(ask: Asked, service: str, body: SyncBody) -> Response:
    """Fetch the repository, and judge its history now."""
    with ask.database.read() as uow:
        known = catalog.service(uow, service)
    source.sync(ask.database, service)
    found = source.check(ask.database, service)
    return ask.write(lambda uow: _shown(known, found))


def _shown(known: catalog.Service, found: source.Check | None) -> dict[str, Any]:
    empty = {"service": known.name, "strategy": "", "fresh": False, "at": None, "commits": 0, "whole": True}
    if found is None:
        strategy = known.branching.strategy if known.branching else ""
        return {**empty, "strategy": strategy, "violations": [], "branches": []}
    branches = [{"branch": branch, "rule": rule, "yields": yields} for branch, rule, yields in found.branches]
    return {**shown(found), "branches": branches}
