"""The next version of a service, and releases that are cut from a commit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import changes, releases
from clearway.api.ask import Answer, Asked
from clearway.api.bodies import CutBody, NextVersionBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.shown import shown
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["releases"])


@router.get("/services/{service}/next-version", **needs("release:read", "NextVersion", errors=(404, 409)))
def next_version(
    ask: Asked,
    service: str,
    ref: Annotated[str, Query(max_length=255, description="Branch, tag or commit.")] = "",
    channel: Annotated[str | None, Query(max_length=40, description="Empty: a final version.")] = None,
) -> Response:
    """The next version and why, from the repository as it was last fetched."""
    return ask.read(lambda uow: changes.propose_version(uow, service, ref=ref, channel=channel).to_json())


@router.post("/next-versions", **needs("release:create", "NextVersion", errors=(404, 409)))
def preview(ask: Asked, body: NextVersionBody) -> Response:
    """Fetch the repository, and say what cutting a release now would make. Makes nothing."""
    found = releases.propose_cut(ask.database, ask.actor, body.service, ref=body.ref, channel=body.channel)
    return ask.show(found.to_json())


@router.post("/cuts", status_code=202, **needs("release:create", "Cut", errors=(404, 409)))
def cut(ask: Asked, body: CutBody) -> Response:
    """Cut a release: a version from history, its tag in the repository, its build, its manifest."""
    found = releases.propose_cut(ask.database, ask.actor, body.service, ref=body.ref, channel=body.channel)

    def act(uow: UnitOfWork) -> Answer:
        made = releases.cut(uow, ask.actor, found, body.reason)
        return Answer(shown(made), 202, f"/v1/cuts/{made.id}")

    return ask.write(act)


@router.get("/cuts", **needs("release:read", "CutPage"))
def cuts(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Releases on their way and those that arrived, newest first."""
    return read_page(ask, lambda uow: releases.cuts(uow, service=service, after=cursor, limit=limit))


@router.get("/cuts/{cut_id}", **needs("release:read", "Cut", errors=(404,)))
def one(ask: Asked, cut_id: str) -> Response:
    """One cut, as far as it is."""
    return ask.read(lambda uow: shown(releases.one_cut(uow, cut_id)))
