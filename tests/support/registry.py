"""A registry of images, as small as one can be: what was put into it is served, by digest."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """Blobs and manifests by digest, over HTTP on this machine."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.port = 0

    def put(self, data: bytes) -> dict[str, object]:
        """Keep bytes; returns their descriptor."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return {"digest": digest, "size": len(data)}

    def image(self, files: Mapping[str, tuple[int, bytes]], name: str = "base") -> str:
        """An image of one layer with these files, each with its mode; returns its reference."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, (mode, data) in files.items():
                info = tarfile.TarInfo(path)
                info.size, info.mode, info.uid, info.gid = len(data), mode, 3, 42
                archive.addfile(info, io.BytesIO(data))
        layer = self.put(packed.getvalue())
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            "history": [{"created": "2001-01-01T00:00:00Z", "created_by": "by hand"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **self.put(json.dumps(config).encode()),
            },
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}],
        }
        return f"127.0.0.1:{self.port}/{name}@{self.put(json.dumps(manifest).encode())['digest']}"


@contextmanager
def registry() -> Iterator[Registry]:
    """A registry that listens on a free port of this machine."""
    kept = Registry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kept.asked.append(self.path)
            data = b"{}" if self.path == "/v2/" else kept.blobs.get(self.path.rpartition("/")[2])
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Type", _MANIFEST if "/manifests/" in self.path else "text/plain")
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data or b"")

        do_HEAD = do_GET  # noqa: N815 - as the server calls it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()
