"""npm packages as clients pack and publish them, and a client of the face that takes them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import warnings
from pathlib import Path
from typing import Any

from clearway import access
from clearway.faces import npm
from clearway.storage import Blobs, Database, FileBlobs

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NAME, SCOPED = "shop-prices", "@shop/prices"


def tarball(
    name: str = NAME, version: str = "1.0.0", members: dict[str, bytes] | None = None, **more: Any
) -> bytes:
    """A package as npm packs it."""
    described = json.dumps({"name": name, "version": version, **more}).encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, content in {"package/package.json": described, **(members or {})}.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def document(
    content: bytes, name: str = NAME, version: str = "1.0.0", tag: str = "latest", **manifest: Any
) -> dict[str, Any]:
    """What npm sends to publish."""
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    shasum = hashlib.sha1(content).hexdigest()  # noqa: S324 - what they send
    data = {
        "content_type": "application/octet-stream",
        "data": base64.b64encode(content).decode(),
        "length": len(content),
    }
    dist = {"integrity": integrity, "shasum": shasum, "tarball": f"http://elsewhere.example/{name}"}
    return {
        "_id": name,
        "name": name,
        "dist-tags": {tag: version},
        "versions": {version: {"name": name, "version": version, "dist": dist, **manifest}},
        "access": None,
        "_attachments": {f"{name}-{version}.tgz": data},
    }


def client(database: Database, name: str | None = "dev", **more: Any) -> TestClient:
    made = TestClient(npm.create_app(database, **more), follow_redirects=False)
    if name:
        with database.begin() as uow:
            admin = access.TokenActor("admin", actions=access.ACTIONS)
            secret = access.create_token(uow, admin, name).secret
        made.headers["Authorization"] = f"Bearer {secret}"
    return made


def put(http: TestClient, body: Any, name: str = NAME, registry: str = "js") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.put(f"/npm/{registry}/{name.replace('/', '%2f')}", content=content)


def publish(
    http: TestClient,
    name: str = NAME,
    version: str = "1.0.0",
    registry: str = "js",
    tag: str = "latest",
    **more: Any,
) -> bytes:
    content = tarball(name, version, **more)
    done = put(http, document(content, name, version, tag, **more), name, registry)
    assert done.status_code == 201, done.text
    return content


def stored(database: Database) -> list[Path]:
    blobs = database.tool(Blobs)
    assert isinstance(blobs, FileBlobs)
    return [path for path in blobs.root.rglob("*") if path.is_file()]


def refused(database: Database, http: TestClient, body: Any, name: str = NAME) -> str:
    """The words of a refusal that left nothing."""
    before = stored(database)
    done = put(http, body, name)
    assert 400 <= done.status_code < 500, done.text
    assert stored(database) == before
    return str(done.json()["error"])
