"""`/npm/REGISTRY/`: what npm, pnpm and yarn ask a registry, route by route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clearway.kernel import ClearwayError, NotFound
from clearway.storage import Database

from . import accounts, changing, desk, reading

MOST_BYTES = 1 << 30  # of a tarball
Handler = Callable[[Request], Awaitable[Response]]


def create_app(database: Database, *, most_bytes: int = MOST_BYTES) -> Starlette:
    """The application over one database and its blobs."""
    # what is asked most comes first; `-` alone is no name, so what is asked of the house is not mistaken
    routes = _for_names("/npm/{registry}", "", reading.packument, "GET") + _of_house() + _of_packages()
    app = Starlette(routes=routes, exception_handlers={ClearwayError: desk.refuse})
    app.router.redirect_slashes = False
    app.state.database = database
    app.state.most_bytes = most_bytes
    app.state.kept = reading.Kept()
    return app


def _of_house() -> list[Route]:
    base = "/npm/{registry}/-"
    audits = f"{base}/npm/v1/security"
    return [
        Route(f"{base}/ping", accounts.ping, methods=["GET"]),
        Route(f"{base}/whoami", accounts.whoami, methods=["GET"]),
        Route(f"{base}/user/token/{{token}}", accounts.logout, methods=["DELETE"]),
        Route(f"{base}/user/{{user}}", accounts.user, methods=["GET"]),
        Route(f"{base}/user/{{user}}", accounts.login, methods=["PUT"]),
        Route(f"{base}/user/{{user}}/-rev/{{revision}}", accounts.login, methods=["PUT"]),
        Route(f"{base}/v1/search", reading.search, methods=["GET"]),
        Route(f"{audits}/advisories/bulk", accounts.advisories, methods=["POST"]),
        Route(f"{audits}/audits/quick", accounts.audit, methods=["POST"]),
        Route(f"{audits}/audits", accounts.audit, methods=["POST"]),
        *_for_names(f"{base}/package", "/dist-tags", reading.tags, "GET"),
        *_for_names(f"{base}/package", "/dist-tags/{tag}", changing.put_tag, "PUT", "POST"),
        *_for_names(f"{base}/package", "/dist-tags/{tag}", changing.remove_tag, "DELETE"),
        Route(f"{base}/{{rest:path}}", _nothing, methods=["GET", "PUT", "POST", "DELETE"]),
    ]


def _of_packages() -> list[Route]:
    base, file, revision = "/npm/{registry}", "/-/{file}", "/-rev/{revision}"
    return [
        *_for_names(base, file + revision, changing.remove_tarball, "DELETE"),
        *_for_names(base, file, reading.tarball, "GET"),
        *_for_names(base, revision, changing.put_revision, "PUT"),
        *_for_names(base, revision, changing.remove, "DELETE"),
        *_for_names(base, "", changing.put, "PUT"),
        *_for_names(base, "/{version}", reading.version, "GET"),
    ]


def _for_names(before: str, after: str, handler: Handler, *methods: str) -> list[Route]:
    """The same for names in a scope (`@scope%2fname` or with a plain slash) and without."""
    return [
        Route(f"{before}/@{{scope}}/{{name}}{after}", handler, methods=list(methods)),
        Route(f"{before}/{{name}}{after}", handler, methods=list(methods)),
    ]


async def _nothing(_: Request) -> Response:
    raise NotFound("this is no address of an npm registry that is known here")
