"""Releases, their notes, traces, and what runs where."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import changes, releases
from clearway.api.ask import Answer, Asked
from clearway.api.bodies import ReleaseBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.places import readable
from clearway.api.shown import shown
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["releases"])


@router.post("/releases", status_code=201, **needs("release:create", "Release", errors=(404, 409)))
def create(ask: Asked, body: ReleaseBody) -> Response:
    """Make the release of a build; the same content again is the same release."""

    of = {"build_id": body.build_id, "version": body.version}
    with ask.database.read() as before:  # a walk over years of history must keep no writer waiting
        releases.ahead_of_release(before, body.service, **of)

    def act(uow: UnitOfWork) -> Answer:
        made = releases.create(uow, ask.actor, body.service, **of)
        return Answer(shown(made), 201, f"/v1/releases/{made.service}/{made.version}")

    return ask.write(act)


@router.get("/releases", **needs("release:read", "ReleasePage"))
def every(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    version: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Releases, newest first."""
    return read_page(
        ask,
        lambda uow: releases.releases(uow, service=service, version=version, after=cursor, limit=limit),
    )


@router.get("/releases/{service}/{version}", **needs("release:read", "Release", errors=(404,)))
def one(ask: Asked, service: str, version: str) -> Response:
    """One release."""
    return ask.read(lambda uow: releases.release(uow, service, version))


Audience = Annotated[
    str, Query(max_length=20, description="Whom they are for: engineers, stakeholders or customers.")
]


@router.get("/releases/{service}/{version}/notes", **needs("release:read", "Notes", errors=(404,)))
def notes(ask: Asked, service: str, version: str, audience: Audience = "engineers") -> Response:
    """What the release brings, as its notes were made with it: as data, Markdown and HTML."""
    return ask.read(lambda uow: _told(releases.notes(uow, service, version), audience))


@router.get("/services/{service}/notes", **needs("release:read", "Notes", errors=(404, 409)))
def compare(
    ask: Asked,
    service: str,
    to: Annotated[str, Query(max_length=255, description="Version, tag, branch or commit.")] = "",
    since: Annotated[str, Query(max_length=255, description="The same; what it is compared with.")] = "",
    environment: Annotated[str, Query(max_length=100, description="Or: what runs there now.")] = "",
    audience: Audience = "engineers",
) -> Response:
    """What one point of a service's history brings over another, or over what runs in an environment."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        found = releases.compare(uow, ask.actor, service, to, since=since, environment=environment)
        return _told(found, audience)

    return ask.read(look)


@router.get("/services/{service}/changelog", **needs("release:read", "Changelog", errors=(404, 409)))
def changelog(
    ask: Asked,
    service: str,
    audience: Audience = "engineers",
    form: Annotated[str, Query(alias="format", max_length=20, description="markdown or html.")] = "markdown",
) -> Response:
    """The notes of all tags of a service, newest first; what no tag reached yet stands on top."""
    return ask.read(lambda uow: changes.all_notes(uow, service, form, audience))


def _told(found: changes.Notes, audience: str) -> dict[str, Any]:
    texts = {form: changes.render(found, form, audience) for form in changes.FORMATS}
    return {**found.to_json(), **texts, "digest": found.digest}


@router.get("/trace/{subject:path}", **needs("release:read", "Trace", errors=(404, 409)))
def trace(ask: Asked, subject: str) -> Response:
    """From an instance, deployment, digest, version or commit back to who wrote, approved and proved it."""
    return ask.read(lambda uow: releases.trace(uow, subject))


@router.get("/where/{subject:path}", **needs("release:read", "Whereabouts", errors=(404, 409)))
def where(
    ask: Asked,
    subject: str,
    service: Annotated[str | None, Query(max_length=100, description="In this one only.")] = None,
) -> Response:
    """The environments that run a commit, a ticket's or a pull request's, since when, by which promotion."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        found = releases.where(uow, ask.actor, subject, service=service)
        return {"subject": subject, "found": [shown(each) for each in found]}

    return ask.read(look)


@router.get("/overview", **needs("deployment:read", "Overview"))
def overview(ask: Asked) -> Response:
    """What runs where, what moves there, and how the last promotion ended."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        found = releases.overview(uow)
        may = readable(uow, ask.actor, "deployment:read")
        names = [name for name in found.environments if may(name)]
        rows = [row.only(names) for row in found.services]
        return {"environments": names, "services": rows}

    return ask.read(look)
