"""What other CI built and vouches for: the token of the job that sends it is the permission.

Rules:
1. Token, service, repository, ref and commit are checked before a byte of the body is taken.
2. Users' tokens open nothing here, and a job's token opens nothing else.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway import build, catalog
from clearway.api.ask import Asked
from clearway.api.guard import Guarded, needs, public
from clearway.api.middleware import STREAMS
from clearway.api.paging import Cursor, Limit, paged, read_page
from clearway.api.shown import as_text, shown
from clearway.api.uploads import Limits, Upload, drain, receive
from clearway.kernel import ClearwayError, Invalid, Unauthenticated, new_id
from clearway.storage import Database

from .builds import show

_OPEN = public("Build", errors=(401, 403, 404, 409, 413, 422), also={200: "Build"})
_OPEN["openapi_extra"]["security"] = [{"job": []}]
router = APIRouter(prefix="/v1", route_class=Guarded, tags=["builds"])


@router.post("/attestations", status_code=201, **_OPEN)
async def attest(
    request: Request,
    service: Annotated[str, Query(max_length=100, description="Whose artifacts these are.")],
    version: Annotated[
        str,
        Query(max_length=100, description="Where no tag of the commit names it; as for builds if left out."),
    ] = "",
) -> Response:
    """Record artifacts that another CI built, as a build of the service.

    `Authorization: Bearer` carries the job's OIDC token. The body is multipart/form-data: files in fields
    `artifact` and `evidence`, each part with `Repr-Digest: sha-256=:BASE64:`. The same content again is the
    same build, answered with 200.
    """
    database: Database = request.app.state.database
    try:
        admitted = await run_in_threadpool(build.admit, database, _bearer(request), service)
        request.state.actor = f"ci/{admitted.identity.ci}"
        place = await run_in_threadpool(build.locate, database, admitted, version)
    except ClearwayError:
        # A connection that is closed over unread bytes is reset, and the sender never reads why.
        await drain(request)
        raise
    build_id = new_id("bld")
    workshop = database.tool(build.Workshop)
    folder = await run_in_threadpool(workshop.fresh, build_id, "received")
    recorded = False
    try:
        files = await receive(request, folder, Limits(), crowded=workshop.crowded)
        made, recorded = await run_in_threadpool(
            build.attest, database, build_id, admitted, place, [_received(each) for each in files]
        )
    finally:
        await run_in_threadpool(workshop.clean if recorded else workshop.drop, build_id)
    headers = {"Location": f"/v1/builds/{made.id}", "Cache-Control": "no-store"}
    status = 201 if recorded else 200
    return Response(as_text(show(made)), status, headers, media_type="application/json")


STREAMS.add("/v1/attestations")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(
            "this needs the token of a CI job",
            expected="Authorization: Bearer with an OIDC token",
            todo="Use `clearway attest` inside the job: it finds the token.",
        )
    return token.strip()


def _received(each: Upload) -> build.Received:
    match each.field:
        case "artifact" | "evidence" as role:
            return build.Received(role, each.name, each.path, each.digest, each.size)
    raise Invalid(f"a file is sent as {each.field[:40]!r}", expected="artifact or evidence")


@router.get("/trusted-cis", **needs("platform:read", "TrustedCIPage"))
def trusted_cis(ask: Asked, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """CI systems whose jobs may vouch for what they built."""
    return read_page(
        ask, lambda uow: paged(catalog.trusted_cis(uow), lambda each: each.name, cursor, limit), show=shown
    )
