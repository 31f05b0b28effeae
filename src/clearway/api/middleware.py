"""What surrounds every request: its id, limits, headers, log line, figures, and the last resort."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from clearway.kernel import new_id

from .problems import of_surprise, problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 8 * 1024 * 1024
STREAMS: set[str] = set()  # paths whose routes write bodies to disk as they come, with limits of their own
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

log = structlog.get_logger("clearway.api")


class Figures:
    """The server's own metrics, in a registry of this application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "clearway_http_requests", "Requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "clearway_http_request_seconds",
            "Time to the end of the answer.",
            ["method", "route"],
            registry=self.registry,
            buckets=_BUCKETS,
        )


class TooLarge(Exception):
    """The body passed the limit while it was read."""


class Surroundings:
    """The outermost layer of the application."""

    def __init__(self, app: App, figures: Figures, max_body: int = MAX_BODY) -> None:
        self.app = app
        self.figures = figures
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = sys.maxsize if scope["path"] in STREAMS else self.max_body
        exchange = _Exchange(scope, receive, send, most)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=exchange.id)
        try:
            await self._serve(exchange)
        finally:
            self._record(exchange)
            structlog.contextvars.clear_contextvars()

    async def _serve(self, exchange: _Exchange) -> None:
        scope = exchange.scope
        try:
            if exchange.declared() > exchange.most:
                raise TooLarge
            await self.app(scope, exchange.receive, exchange.send)
        except TooLarge:
            await self._answer(exchange, self._too_large())
        except Exception as error:  # noqa: BLE001 - the last resort: an id, never a traceback
            await self._answer(exchange, of_surprise(error, exchange.id))

    async def _answer(self, exchange: _Exchange, answer: Any) -> None:
        if not exchange.status:  # else the answer has begun, and can only be cut off
            await answer(exchange.scope, exchange.receive, exchange.send)

    def _too_large(self) -> Any:
        return problem(
            413,
            "Too large",
            "the body of the request is too large; nothing was changed",
            kind="too-large",
            expected=f"at most {self.max_body} bytes",
        )

    def _record(self, exchange: _Exchange) -> None:
        scope = exchange.scope
        took = time.perf_counter() - exchange.began
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.figures.requests.labels(method, route, str(exchange.status or 499)).inc()
        self.figures.seconds.labels(method, route).observe(took)
        log.info(
            "request",
            method=method,
            path=scope["path"],
            status=exchange.status or 499,
            ms=round(took * 1000, 1),
            actor=scope.get("state", {}).get("actor"),
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Exchange:
    """One request and its answer, watched while they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body: int) -> None:
        self.scope = scope
        self.began = time.perf_counter()
        self.status = 0
        self._receive = receive
        self._send = send
        self.most = max_body
        self._read = 0
        self._headers = dict(scope["headers"])
        given = self._headers.get(b"x-request-id", b"")
        self.id = given.decode() if _REQUEST_ID.fullmatch(given) else new_id("req")

    def declared(self) -> int:
        """The Content-Length, or 0."""
        given = self._headers.get(b"content-length", b"0")
        return int(given) if given.isdigit() else 0

    async def receive(self) -> Message:
        """Count what comes in. Raises TooLarge."""
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self.most:
            raise TooLarge
        return message

    async def send(self, message: Message) -> None:
        """Add the headers that every answer carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            added = [(b"x-request-id", self.id.encode()), *_HEADERS]
            message["headers"] = [*message["headers"], *(each for each in added if each[0] not in present)]
        await self._send(message)
