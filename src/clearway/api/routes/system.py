"""Health, figures, and the schema of clearway.yaml."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clearway import catalog
from clearway.api import health
from clearway.api.ask import Asked, etag, matches
from clearway.api.guard import Guarded, needs, public
from clearway.api.shown import as_text

router = APIRouter(route_class=Guarded, tags=["system"])


@router.get("/healthz", **public("Health", also={503: "Health"}))
def healthz(request: Request) -> JSONResponse:
    """How the server does: 200 when it can do its work, else 503; either way what is wrong, part by part."""
    state = request.app.state
    found = health.look(state.database, state.settings.home)
    headers = {"Cache-Control": "no-store"}
    return JSONResponse(found, 503 if found["status"] == "failing" else 200, headers)


@router.get("/metrics", **needs("metrics:read", "text/plain"))
def metrics(ask: Asked) -> Response:
    """The server's own figures, in Prometheus' text format."""
    return Response(generate_latest(ask.request.app.state.figures.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/schema/clearway.json", **public("JsonSchema"))
def schema(request: Request) -> Response:
    """The JSON Schema of clearway.yaml, for editors."""
    content: dict[str, Any] = catalog.definition_schema()
    text = as_text(content)
    tag = etag(text)
    headers = {"ETag": tag, "Cache-Control": "public, max-age=3600"}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/schema+json", headers=headers)
