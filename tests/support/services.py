"""A tiny real web service in a real bundle, a home for it, and load on it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import tarfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

SOURCE = """
import os, signal, sys, threading, time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION, FAULT = "@VERSION@", "@FAULT@"
seen, lock = Counter(), threading.Lock()
if FAULT == "crash":
    sys.exit("no licence found")

class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Version", VERSION)
        self.end_headers()
        self.wfile.write(text)
    def do_GET(self):
        if self.path == "/healthz":
            return self.say(500 if FAULT == "sick" else 200, b"ok")
        if self.path == "/metrics":
            with lock:
                rows = [f'requests_total{{status="{s}"}} {n}' for s, n in seen.items()]
            return self.say(200, ("# TYPE requests_total counter\\n" + "\\n".join(rows) + "\\n").encode())
        if self.path == "/who":
            return self.say(200, os.environ.get("CLEARWAY_INSTANCE", "").encode())
        if self.path == "/slow":
            time.sleep(3)
        with lock:
            status = 500 if FAULT == "errors" and sum(seen.values()) % 10 == 0 else 200
            seen[status] += 1
        self.say(status, VERSION.encode())

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

def main():
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Answer)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("serving", VERSION, flush=True)
    server.serve_forever(0.05)
"""


def make_bundle(folder: Path, version: str, fault: str = "") -> tuple[str, Path]:
    """A bundle as the python recipe makes it, with one wheel; its digest and file."""
    wheel = io.BytesIO()
    name = f"tiny-{version}"
    files = {
        "tiny.py": SOURCE.replace("@VERSION@", version).replace("@FAULT@", fault),
        "tiny_main.py": "from tiny import main\nmain()\n",
        f"{name}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}.dist-info/entry_points.txt": "[console_scripts]\ntiny-server = tiny:main\n",
    }
    record = ""
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
            found = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += f"{path},sha256={found},{len(text.encode())}\n"
        archive.writestr(f"{name}.dist-info/RECORD", record + f"{name}.dist-info/RECORD,,\n")
    place = folder / f"tiny-{version}{fault}.bundle.tar"
    with tarfile.open(place, "w") as archive:
        members = {
            "manifest.json": json.dumps({"format": "clearway.bundle/1"}).encode(),
            f"wheels/{name}-py3-none-any.whl": wheel.getvalue(),
        }
        for path, data in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return "sha256:" + hashlib.sha256(place.read_bytes()).hexdigest(), place


class Load:
    """Keep-alive clients that never retry: whatever does not get a service's own answer was dropped."""

    def __init__(self, port: int, clients: int = 3, pause_s: float = 0.004) -> None:
        self.port, self.pause_s = port, pause_s
        self.versions: Counter[str] = Counter()
        self.dropped: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return sum(self.versions.values()) + len(self.dropped)

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                body = response.read()
                version = response.getheader("X-Version")
                if version:
                    self.versions[version] += 1
                else:
                    self.dropped.append(f"{response.status} {body[:80]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.dropped.append(repr(error))
                connection.close()
            self._stop.wait(self.pause_s)
        connection.close()


def wait_until(check: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for a condition. Raises AssertionError that names it."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def get(port: int, path: str = "/") -> tuple[int, str]:
    """One request on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
