"""Artifacts and the evidence about them; their bytes are at /artifacts/{digest}."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from clearway import artifacts
from clearway.api.ask import Asked
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["artifacts"])


@router.get("/artifacts", **needs("artifact:read", "ArtifactPage"))
def every(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    version: Annotated[str | None, Query(max_length=100)] = None,
    build: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Artifacts, newest first."""
    return read_page(
        ask,
        lambda uow: artifacts.list(
            uow, service=service, version=version, build_id=build, after=cursor, limit=limit
        ),
    )


@router.get("/artifacts/{digest}", **needs("artifact:read", "Artifact", errors=(404,)))
def one(ask: Asked, digest: str) -> Response:
    """One artifact."""
    return ask.read(lambda uow: artifacts.get(uow, digest))


@router.get("/artifacts/{digest}/evidence", **needs("artifact:read", "application/jsonl", errors=(404,)))
def evidence(ask: Asked, digest: str) -> Response:
    """The signed statements about a digest as JSON lines (`.intoto.jsonl`), for verification anywhere."""
    with ask.database.read() as uow:
        text = artifacts.export_evidence(uow, digest)
    return PlainTextResponse(text, media_type="application/jsonl")


@router.get("/keys/evidence.pem", **needs("artifact:read", "application/x-pem-file"))
def keys(ask: Asked) -> Response:
    """The public keys that verify our evidence."""
    with ask.database.read() as uow:
        return PlainTextResponse(artifacts.public_key_pem(uow), media_type="application/x-pem-file")
