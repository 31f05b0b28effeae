"""`python -m shop`: serve until SIGTERM, then end after the requests under way."""

from __future__ import annotations

import os
import signal
import threading

from . import __version__
from .pages import Shop
from .server import Server
from .settings import load


def main() -> None:
    """Start the shop."""
    server = Server(Shop(load(os.environ)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"shop {__version__} serves on port {server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.drain(seconds=3)


if __name__ == "__main__":
    main()
