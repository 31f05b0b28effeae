"""Files for plain HTTP clients: by digest, and by name in a registry."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clearway.faces.counter import hang_up, problem
from clearway.kernel import ClearwayError
from clearway.storage import Database

from . import by_digest, tree


def create_app(database: Database, *, most_bytes: int = tree.MOST_BYTES) -> Starlette:
    """The application over one database and its blobs."""
    app = Starlette(
        routes=[
            Route("/artifacts/{digest}", by_digest.send, methods=["GET"]),
            Route("/generic/{registry}/{path:path}", tree.get, methods=["GET"]),
            Route("/generic/{registry}/{path:path}", tree.put, methods=["PUT"]),
            Route("/generic/{registry}/{path:path}", tree.remove, methods=["DELETE"]),
        ],
        exception_handlers={ClearwayError: refuse},
    )
    app.state.database = database
    app.state.most_bytes = most_bytes
    return app


async def refuse(request: Request, error: Exception) -> Response:
    """An error as problem+json; only a bearer opens what is found by digest."""
    by_name = request.url.path.startswith("/generic/")
    return hang_up(request, problem(error) if by_name else problem(error, "Bearer"))
