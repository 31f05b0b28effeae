"""One ASGI application: the API, the faces and the pages, told apart by path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .system import System

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]

API_PATHS = ("/v1", "/healthz", "/metrics", "/openapi.json", "/docs")


def application(built: System) -> App:
    """The application that the server runs; imports the edges only here."""
    from clearway import api, web
    from clearway.faces import generic, maven, npm, pypi, webhooks

    api_app: App = api.create_app(built.database, built.settings)
    web_app: App = web.create_app(built.database, built.settings)
    files: App = generic.create_app(built.database)
    faces: dict[str, App] = {
        "/artifacts/": files,
        "/generic/": files,
        "/maven/": maven.create_app(built.database),
        "/npm/": npm.create_app(built.database),
        "/pypi/": pypi.create_app(built.database),
        "/hooks/": webhooks.create_app(built.database),
    }

    async def dispatch(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path = scope.get("path", "")
        face = next((app for prefix, app in faces.items() if path.startswith(prefix)), None)
        if face is not None:
            await face(scope, receive, send)
        elif path in API_PATHS or path.startswith("/v1/"):
            await api_app(scope, receive, send)
        else:
            await web_app(scope, receive, send)

    return dispatch


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
