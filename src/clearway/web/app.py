"""The application: every page with its permission, one place for errors, one layer around all of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clearway import access
from clearway.kernel import ClearwayError, NotFound, Unauthenticated, new_id
from clearway.storage import Database

from . import colours, words
from .assets import read_assets, serve
from .guard import SIGNED_IN, action, page, recognise, stream
from .pages import (
    approvals,
    audit,
    builds,
    calendar,
    commit,
    configuration,
    environments,
    figures,
    history,
    incidents,
    logs,
    me,
    overview,
    people,
    promotion,
    registries,
    release,
    repositories,
    reproductions,
    signin,
)
from .pages import service as services
from .security import Protected
from .snapshot import Snapshot
from .visit import Visit

log = logging.getLogger("clearway.web")


class Settings(Protocol):
    """What the pages need to know of the system's settings."""

    @property
    def home(self) -> Path:
        """The data folder."""

    @property
    def url(self) -> str:
        """The address people use."""


def routes() -> list[Route]:
    """Every page and form, with the permission that it needs."""
    return [
        Route("/static/{mark}/{name:path}", serve),
        Route("/sign-in", signin.show, methods=["GET"]),
        Route("/sign-in", signin.enter, methods=["POST"]),
        action("/sign-out", signin.leave, needs=SIGNED_IN),
        page("/", overview.show, needs="platform:read"),
        page("/services/{service}", services.show, needs="platform:read"),
        action("/services/{service}/build", services.build_it, needs="build:run"),
        action("/services/{service}/rollback", services.roll_back, needs="deployment:rollback"),
        page("/services/{service}/next", history.coming, needs="release:read"),
        action("/services/{service}/next", history.cut, needs="release:create"),
        page("/services/{service}/compare", history.compare, needs="release:read"),
        page("/services/{service}/history", commit.history, needs="release:read"),
        page("/services/{service}/commits/{commit}", commit.show, needs="release:read"),
        page("/services/{service}/violations", repositories.violations, needs="release:read"),
        action("/services/{service}/violations", repositories.judge, needs="build:run"),
        page("/cuts/{id}", history.show, needs="release:read"),
        page("/releases", release.index, needs="release:read"),
        page("/releases/{service}/{version}", release.show, needs="release:read"),
        page("/releases/{service}/{version}/to/{environment}", release.plan, needs="promotion:create"),
        action("/releases/{service}/{version}/to/{environment}", release.promote, needs="promotion:create"),
        page("/promotions", promotion.index, needs="promotion:read"),
        page("/promotions/{id}", promotion.show, needs="promotion:read"),
        action("/promotions/{id}/approve", promotion.approve, needs="promotion:approve"),
        action("/promotions/{id}/reject", promotion.reject, needs="promotion:reject"),
        action("/promotions/{id}/cancel", promotion.cancel, needs="promotion:create"),
        page("/deployments/{id}", promotion.of_deployment, needs="deployment:read"),
        page("/deployments/{id}/series", promotion.series, needs="deployment:read"),
        page("/approvals", approvals.show, needs="promotion:read"),
        page("/builds", builds.index, needs="build:read"),
        page("/trusted-ci", builds.trusted, needs="platform:read"),
        page("/builds/{id}", builds.show, needs="build:read"),
        stream("/builds/{id}/log", logs.follow, needs="build:read"),
        page("/builds/{id}/log.txt", logs.download, needs="build:read"),
        page("/builds/{id}/search", logs.search, needs="build:read"),
        action("/builds/{id}/cancel", builds.cancel, needs="build:run"),
        action("/builds/{id}/again", builds.again, needs="build:run"),
        action("/builds/{id}/reproduce", reproductions.request, needs="build:run"),
        page("/reproductions/{id}", reproductions.show, needs="build:read"),
        page("/services/{service}/reproducibility", reproductions.score, needs="build:read"),
        page("/incidents", incidents.index, needs="incident:read"),
        page("/incidents/{id}", incidents.show, needs="incident:read"),
        action("/incidents", incidents.declare, needs="incident:write"),
        action("/incidents/{id}/{verb}", incidents.act, needs="incident:write"),
        page("/figures", figures.show, needs="metrics:read"),
        page("/figures/{service}/{environment}/{figure}", figures.behind, needs="metrics:read"),
        page("/where", audit.where, needs="release:read"),
        page("/trace", audit.trace, needs="release:read"),
        page("/audit", audit.index, needs="ledger:read"),
        page("/audit/verify", audit.verify, needs="ledger:read"),
        page("/audit/{index:int}", audit.entry, needs="ledger:read"),
        page("/environments", environments.index, needs="platform:read"),
        page("/environments/{name}", environments.show, needs="platform:read"),
        page("/configuration", configuration.index, needs="config:read"),
        page("/configuration/{service}", configuration.show, needs="config:read"),
        page("/configuration/{service}/{environment}/{key}", configuration.history, needs="config:read"),
        page("/repositories", repositories.index, needs="platform:read"),
        page("/repositories/{name}", repositories.show, needs="platform:read"),
        action("/repositories/{name}/sync", repositories.sync, needs="build:run"),
        action("/repositories/{name}/credentials", repositories.seal, needs="secret:write"),
        action("/repositories/{name}/credentials/{kind}/remove", repositories.forget, needs="secret:write"),
        page("/registries", registries.index, needs="artifact:read"),
        page("/registries/{name}", registries.show, needs="artifact:read"),
        page("/registries/{name}/package", registries.package, needs="artifact:read"),
        action("/registries/{name}/promote", registries.promote, needs="artifact:promote"),
        page("/calendar", calendar.show, needs="platform:read"),
        page("/people", people.index, needs="platform:read"),
        page("/people/{name}", people.show, needs="platform:read"),
        page("/me", me.show, needs=SIGNED_IN),
        action("/me/password", me.password, needs=SIGNED_IN),
        action("/me/tokens", me.new_token, needs=SIGNED_IN),
        action("/me/tokens/{id}/revoke", me.revoke, needs=SIGNED_IN),
    ]


def create_app(database: Database, settings: Settings) -> Starlette:
    """The pages over one database."""
    app = Starlette(
        routes=list(routes()),
        middleware=[Middleware(Protected)],
        exception_handlers={ClearwayError: _clearway_error, HTTPException: _http_error, Exception: _fault},
    )
    app.state.database = database
    app.state.settings = settings
    app.state.assets = read_assets()
    app.state.touches = access.Touches()
    app.state.snapshot = Snapshot(database)
    app.state.pages = _templates(app)
    return app


def _templates(app: Starlette) -> Environment:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=200,
        auto_reload=False,
    )
    pages.filters.update(words.FILTERS)
    pages.filters["spans"] = colours.spans
    pages.globals["plural"] = words.plural
    pages.globals["headline"] = words.headline
    pages.globals["asset"] = lambda name: f"/static/{app.state.assets[name].mark}/{name}"
    return pages


async def _clearway_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ClearwayError):
        raise error
    if error.status >= 500:
        log.warning("a page could not be shown", extra={"path": request.url.path, "why": str(error)})
    return await run_in_threadpool(_show, request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        told: ClearwayError = NotFound("this address is not a page", todo="Go back and press the button.")
    else:
        told = NotFound("there is no such page", todo="Check the address, or start from the overview.")
    told.status = error.status_code
    return await run_in_threadpool(_show, request, told, dict(error.headers or {}))


async def _fault(request: Request, error: Exception) -> Response:
    mark = new_id("err")
    log.error("a page failed", exc_info=error, extra={"path": request.url.path, "mark": mark})
    told = ClearwayError(
        "Something went wrong on our side; nothing was changed.",
        todo=f"Try again. If it stays, give your administrator this mark, which is in the log: {mark}",
    )
    return await run_in_threadpool(_show, request, told)


def _show(request: Request, error: ClearwayError, headers: dict[str, str] | None = None) -> Response:
    """An error as a page that says what to do; never more than the error itself says."""
    known: Visit | None = getattr(request.state, "visit", None)
    # When something is broken, who asks is not looked up again: that may be what is broken.
    visit = known or (Visit(request) if error.status >= 500 else recognise(request))
    signed_out = isinstance(error, Unauthenticated)
    text = visit.render("error.html", error=error, signed_out=signed_out)
    return Response(text, error.status, headers, "text/html")
