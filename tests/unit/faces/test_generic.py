"""Artifacts by digest for plain HTTP clients."""

from __future__ import annotations

import base64
import hashlib
import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import access, artifacts
from clearway.access import UserDocument
from clearway.faces import generic
from clearway.kernel import SYSTEM
from clearway.storage import Blobs, Database, FileBlobs

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

CONTENT = bytes(range(256)) * 40
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=tools)
    file = tmp_path / "shop.tar"
    file.write_bytes(CONTENT)
    with database.begin() as uow:
        access.apply(uow, SYSTEM, [UserDocument(name="admin", roles=["admin"]), UserDocument(name="nobody")])
        artifacts.put(
            uow,
            SYSTEM,
            file,
            name="shop.tar",
            type="bundle",
            purl="pkg:generic/shop@1",
            service="shop",
            version="1",
        )
    yield database
    database.dispose()


def client(database: Database, name: str | None = "admin") -> TestClient:
    headers = {}
    if name:
        with database.begin() as uow:
            admin = access.TokenActor("admin", actions=access.ACTIONS)
            headers["Authorization"] = f"Bearer {access.create_token(uow, admin, name).secret}"
    return TestClient(generic.create_app(database), headers=headers)


def test_the_bytes_come_with_their_digest(database: Database) -> None:
    """GET gives the bytes, HEAD the same headers without them, and the client can check what it got."""
    http = client(database)
    answer = http.get(f"/artifacts/{DIGEST}")
    assert answer.content == CONTENT
    expected = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{expected}:"
    assert 'filename="shop.tar"' in answer.headers["content-disposition"]
    head = http.head(f"/artifacts/{DIGEST}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "repr-digest", "accept-ranges"):
        assert head.headers[name] == answer.headers[name]
    assert (
        http.get(f"/artifacts/{DIGEST}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    )


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=10000-", 206, CONTENT[10000:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=999999-", 416, None),
    ],
)
def test_parts_can_be_fetched(database: Database, asked: str, status: int, got: bytes | None) -> None:
    """An interrupted download goes on where it stopped."""
    answer = client(database).get(f"/artifacts/{DIGEST}", headers={"Range": asked})
    assert answer.status_code == status
    assert got is None or answer.content == got


def test_what_must_not_be_had_is_not_given(database: Database) -> None:
    """No token 401, no permission 403, no digest 422, nothing there 404; also for HEAD."""
    address = f"/artifacts/{DIGEST}"
    assert client(database, None).get(address).status_code == 401
    assert client(database, None).head(address).status_code == 401
    assert client(database, "nobody").get(address).status_code == 403
    admin = client(database)
    assert admin.get("/artifacts/sha256:abc").status_code == 422
    missing = admin.get("/artifacts/sha256:" + "0" * 64)
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert admin.get("/artifacts/..%2f..%2fetc%2fpasswd").status_code in (404, 422)


def test_bytes_that_changed_on_disk_never_leave(database: Database) -> None:
    """One flipped bit, and nothing is sent but what happened."""
    blobs = database.tool(Blobs)  # type: ignore[type-abstract]
    path = blobs.path(DIGEST)
    os.chmod(path, 0o644)
    path.write_bytes(CONTENT[:-1] + b"x")
    answer = client(database).get(f"/artifacts/{DIGEST}")
    assert answer.status_code >= 400
    assert "changed on disk" in answer.json()["detail"]
