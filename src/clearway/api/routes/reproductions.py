"""Rebuilding what was built, and what that came to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import access, build, catalog
from clearway.api.ask import Answer, Asked
from clearway.api.bodies import ReproduceBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.shown import shown
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["reproductions"])


def show(found: build.Reproduction) -> Any:
    """With its report, once there is one."""
    return {**shown(found, without=["report"]), "report": shown(found.report) or None}


def show_row(found: build.Reproduction) -> Any:
    """Without it."""
    return shown(found, without=["report"])


@router.post("/reproductions", status_code=202, **needs("build:run", "Reproduction", errors=(404, 409, 422)))
def request(ask: Asked, body: ReproduceBody) -> Response:
    """Rebuild an artifact from its record, with everything varied that can be, and compare."""

    def act(uow: UnitOfWork) -> Answer:
        made = build.request_reproduction(
            uow,
            ask.actor,
            digest=body.artifact,
            service=body.service,
            version=body.version,
            build_id=body.build,
        )
        return Answer(show(made), 202, f"/v1/reproductions/{made.id}")

    return ask.write(act)


@router.get("/reproductions", **needs("build:read", "ReproductionPage"))
def reproductions(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    build_id: Annotated[str | None, Query(max_length=100, alias="build")] = None,
    artifact: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Attempts, newest first."""
    return read_page(
        ask,
        lambda uow: build.reproductions(
            uow, service=service, build_id=build_id, digest=artifact, after=cursor, limit=limit
        ),
        show=show_row,
    )


@router.get("/reproductions/{reproduction_id}", **needs("build:read", "Reproduction", errors=(404,)))
def one(ask: Asked, reproduction_id: str) -> Response:
    """One attempt, with what was found out."""
    return ask.read(lambda uow: show(build.reproduction(uow, reproduction_id)))


@router.get("/services/{service}/reproducibility", **needs("build:read", "Reproducibility", errors=(404,)))
def score(ask: Asked, service: str) -> Response:
    """The share of the service's newest builds that came out bit-identical, now and over time."""

    def look(uow: UnitOfWork) -> Any:
        access.require(uow, ask.actor, "build:read", service=service)
        catalog.service(uow, service)
        return build.score(uow, service)

    return ask.read(look)
