"""The application: every router, one place for errors, one layer around all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from clearway.kernel import ClearwayError
from clearway.storage import Database

from . import problems
from .guard import Touches
from .middleware import MAX_BODY, Figures, Surroundings
from .routes import (
    artifacts,
    builds,
    config,
    deployments,
    events,
    incidents,
    ledger,
    metrics,
    people,
    platform,
    promotions,
    releases,
    system,
)
from .routes.events import Tail

ROUTERS = (
    platform,
    people,
    config,
    builds,
    artifacts,
    releases,
    promotions,
    deployments,
    incidents,
    metrics,
    ledger,
    events,
    system,
)
DESCRIPTION = "Release engineering in one program: from a git commit to production, and back."


class Settings(Protocol):
    """What the API needs to know of the system's settings."""

    @property
    def home(self) -> Path:
        """The data folder."""

    @property
    def url(self) -> str:
        """The address people use."""


def create_app(database: Database, settings: Settings, *, max_body: int = MAX_BODY) -> FastAPI:
    """The API over one database."""
    app = FastAPI(
        title="Clearway",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # the interactive page loads scripts from elsewhere
        redoc_url=None,
        servers=[{"url": settings.url}],
    )
    figures = Figures()
    app.state.database = database
    app.state.settings = settings
    app.state.figures = figures
    app.state.tail = Tail(database)
    app.state.touches = Touches()
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_exception_handler(ClearwayError, problems.on_error)
    app.add_exception_handler(RequestValidationError, problems.on_validation)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_middleware(Surroundings, figures=figures, max_body=max_body)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Add to the OpenAPI document what FastAPI does not know: the token, and what errors look like."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            parts = document.setdefault("components", {})
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            parts.setdefault("schemas", {})["Problem"] = _PROBLEM
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = _ERROR
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457: what is wrong, where, what was expected, what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "where": _TEXT,
        "expected": _TEXT,
        "todo": _TEXT,
        "problems": {"type": "array", "items": {"type": "object"}},
        "gates": {"type": "array", "items": {"type": "object"}},
    },
}
_ERROR = {
    "description": "What went wrong.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
