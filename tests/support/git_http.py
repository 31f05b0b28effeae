"""Git over HTTP with a password, by git's own server program."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def git_server(root: Path, username: str, password: str, asked: list[str] | None = None) -> Starlette:
    """Serves the repositories below a folder to whoever knows the password; notes who asked with what."""
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if asked is not None:
            asked.append(given)
        if given != wanted:
            return Response(status_code=401, headers={"www-authenticate": 'Basic realm="git"'})
        body = await request.body()
        return await run_in_threadpool(_backend, root, request, body)

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])


def _backend(root: Path, request: Request, body: bytes) -> Response:
    done = subprocess.run(
        ["git", "http-backend"],
        env={
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": request.url.path,
            "QUERY_STRING": request.url.query,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        },
        input=body,
        capture_output=True,
        check=False,
    )
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    status = int(headers.pop("Status", "200").split()[0])
    return Response(rest, status, headers)
