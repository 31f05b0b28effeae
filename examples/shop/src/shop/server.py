"""HTTP around the shop."""

from __future__ import annotations

import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import __version__
from .metrics import Metrics
from .pages import Answer, Shop


class Server(ThreadingHTTPServer):
    """Serves one shop; the operating system picks a free port for 0."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, shop: Shop, host: str = "127.0.0.1") -> None:
        super().__init__((host, shop.settings.port), Handler)
        self.shop = shop
        self.metrics = Metrics()
        self.busy = 0
        self.calm = threading.Condition()

    def drain(self, seconds: float) -> None:
        """Wait until no request is under way, for a while."""
        with self.calm:
            self.calm.wait_for(lambda: self.busy == 0, timeout=seconds)


class Handler(BaseHTTPRequestHandler):
    """One connection, kept open between requests."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "shop"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        """Answer, and be known as busy while doing so."""
        with self.server.calm:
            self.server.busy += 1
        try:
            self._route()
        finally:
            with self.server.calm:
                self.server.busy -= 1
                self.server.calm.notify_all()

    def _route(self) -> None:
        # Health and metrics are for machines; everything else is a customer, and is counted.
        if self.path == "/healthz":
            self._send(Answer(200, "text/plain", "ok\n"))
        elif self.path == "/metrics":
            self._send(Answer(200, "text/plain; version=0.0.4", self.server.metrics.render()))
        else:
            self._serve()

    def _serve(self) -> None:
        began = time.perf_counter()
        try:
            answer = self.server.shop.answer(self.path.split("?")[0], self.headers.get("Authorization", ""))
        except Exception:  # noqa: BLE001 - whatever broke, the customer gets an answer
            traceback.print_exc()
            answer = Answer(500, "text/plain", "sorry, something broke\n")
        self.server.metrics.observe(answer.status, time.perf_counter() - began)
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Shop-Version", __version__)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the router keeps the access log."""
