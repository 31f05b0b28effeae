"""The application: every router, one place for errors, one layer around all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from clearway import access
from clearway.kernel import ClearwayError
from clearway.storage import Database

from . import problems
from .described import describe
from .middleware import MAX_BODY, Figures, Surroundings
from .routes import (
    artifacts,
    attestations,
    branching,
    builds,
    config,
    cuts,
    deployments,
    events,
    history,
    incidents,
    ledger,
    logs,
    metrics,
    people,
    platform,
    promotions,
    recipes,
    registries,
    releases,
    reports,
    repositories,
    reproductions,
    system,
)
from .routes.events import Tail

ROUTERS = (
    platform,
    people,
    config,
    repositories,
    branching,
    builds,
    reports,
    logs,
    recipes,
    attestations,
    reproductions,
    artifacts,
    registries,
    releases,
    cuts,
    history,
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
    app.state.touches = access.Touches()
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_exception_handler(ClearwayError, problems.on_error)
    app.add_exception_handler(RequestValidationError, problems.on_validation)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_middleware(Surroundings, figures=figures, max_body=max_body)
    describe(app)
    return app
