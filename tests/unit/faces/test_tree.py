"""Any file under a name in a registry, as plain HTTP clients do it."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import serving

from clearway import access, artifacts, catalog
from clearway.access import UserDocument
from clearway.faces import generic
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PLATFORM = """
{kind: Registry, name: tools, format: generic}
---
{kind: Registry, name: open, format: generic, anonymous: read}
---
{kind: Registry, name: all, format: generic, mode: group, members: [open, tools]}
---
{kind: Registry, name: wheels, format: pypi}
"""
GUIDE = Path(__file__).parents[3] / "docs/how-to/registries.md"
CONTENT = b"jq" * 5000
HEX = hashlib.sha256(CONTENT).hexdigest()
JQ = "/generic/tools/jq/1.7/jq.tar.gz"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs")}
    database = make_database(tmp_path, clock=lambda: datetime.now(UTC), tools=tools)
    with database.begin() as uow:
        people = [UserDocument(name="dev", roles=["developer"]), UserDocument(name="admin", roles=["admin"])]
        access.apply(uow, SYSTEM, [*people, UserDocument(name="auditor", roles=["auditor"])])
        documents = load_documents(PLATFORM, "p.yaml", by_kind(catalog.KINDS))
        catalog.apply(uow, SYSTEM, [each for each, _ in documents])
    yield database
    database.dispose()


def token(database: Database, name: str) -> str:
    with database.begin() as uow:
        admin = access.TokenActor("admin", actions=access.ACTIONS)
        return access.create_token(uow, admin, name).secret


def client(database: Database, name: str | None = "dev", **more: Any) -> TestClient:
    headers = {"Authorization": f"Bearer {token(database, name)}"} if name else {}
    return TestClient(generic.create_app(database, **more), headers=headers)


def stored(database: Database) -> list[Path]:
    blobs = database.tool(Blobs)
    assert isinstance(blobs, FileBlobs)
    return [path for path in blobs.root.rglob("*") if path.is_file()]


def test_a_file_goes_in_and_comes_out(database: Database) -> None:
    """New is 201, the same again 200, other bytes 409; it comes out whole, in part, or not when known."""
    http = client(database)
    first = http.put(JQ, content=CONTENT)
    assert (first.status_code, first.json()["digest"]) == (201, f"sha256:{HEX}")
    assert http.put(JQ, content=CONTENT).status_code == 200
    other = http.put(JQ, content=b"other")
    assert (other.status_code, "never changes" in other.json()["detail"]) == (409, True)
    whole = http.get(JQ)
    assert whole.content == CONTENT
    encoded = base64.b64encode(bytes.fromhex(HEX)).decode()
    assert whole.headers["repr-digest"] == f"sha-256=:{encoded}:"
    part = http.get(JQ, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, CONTENT[2:6])
    known = http.get(JQ, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = http.head(JQ)
    assert (head.headers["content-length"], head.content) == (str(len(CONTENT)), b"")
    assert http.get("/generic/all/jq/1.7/jq.tar.gz").content == CONTENT


def test_a_promised_digest_is_held(database: Database) -> None:
    """In the form of RFC 9530, or as a plain header; a wrong or unreadable one stores nothing."""
    http = client(database)
    good = base64.b64encode(bytes.fromhex(HEX)).decode()
    for headers in (
        {"X-Checksum-Sha256": "0" * 64},
        {"X-Checksum-Sha256": "none"},
        {"Repr-Digest": "sha-256=:AAAA:"},
        {"Content-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"},
    ):
        assert http.put(JQ, content=CONTENT, headers=headers).status_code in (409, 422)
    assert stored(database) == []
    assert http.put(JQ, content=CONTENT, headers={"Repr-Digest": f"sha-256=:{good}:"}).status_code == 201
    assert http.put(JQ, content=CONTENT, headers={"X-Checksum-Sha256": HEX.upper()}).status_code == 200


def test_what_is_too_large_stores_nothing(database: Database) -> None:
    """Told at once when the length is, and while it streams when it is not."""
    http = client(database, most_bytes=100)
    assert http.put(JQ, content=CONTENT).status_code == 413
    assert http.put(JQ, content=iter([b"x" * 60, b"x" * 60])).status_code == 413
    assert stored(database) == []


def test_who_may_not_is_told_before_a_byte_is_taken(database: Database) -> None:
    """401 with a challenge where signing in could help, 403 where it would not, 404 for what is not there."""
    nobody, auditor = client(database, None), client(database, "auditor")
    asked = nobody.put(JQ, content=CONTENT)
    assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Basic realm="Clearway"')
    assert nobody.get(JQ).status_code == 401
    assert auditor.put(JQ, content=CONTENT).status_code == 403
    assert client(database).delete(JQ).status_code == 403
    for path in ("/generic/none/a/1/b", "/generic/wheels/a/1/b", "/generic/tools/a/1/b"):
        assert client(database).get(path).status_code == 404
    assert stored(database) == []
    spoilt = nobody.get("/generic/open/a/1/b", headers={"Authorization": "Bearer cwy_x_y"})
    assert (spoilt.status_code, nobody.get("/generic/open/a/1/b").status_code) == (401, 404)


def test_who_waits_to_be_told_to_go_on_is_not_left_waiting(database: Database) -> None:
    """A refusal closes the connection, or the client's next request would be taken for the body."""
    nobody = client(database, None)
    told = nobody.put(JQ, content=CONTENT, headers={"Expect": "100-continue"})
    assert (told.status_code, told.headers["connection"]) == (401, "close")
    assert "connection" not in nobody.put(JQ, content=CONTENT).headers


def test_a_token_is_a_password_too(database: Database) -> None:
    """Of any user name; what is no token, no base64 or another scheme is 401."""
    secret, http = token(database, "dev"), TestClient(generic.create_app(database))
    assert http.put(JQ, content=CONTENT, auth=("anything", secret)).status_code == 201
    for shown in ("Basic !!!", "Basic " + base64.b64encode(b"dev").decode(), "Digest x", "Bearer"):
        assert http.get(JQ, headers={"Authorization": shown}).status_code == 401


def test_deleting_takes_it_out(database: Database) -> None:
    """For whoever may; then the address is free again."""
    with database.begin() as uow:
        access.apply(uow, SYSTEM, [UserDocument(name="dev", roles=["release-manager"])])
    http = client(database)
    http.put(JQ, content=CONTENT)
    assert http.delete(JQ).status_code == 204
    assert (http.get(JQ).status_code, http.delete(JQ).status_code) == (404, 404)
    assert http.put(JQ, content=b"other").status_code == 201


@pytest.mark.parametrize(
    "path",
    [
        "a", "a/1", "A/1/x", "a/1/.x", "a/1/", "a//x", "a/../x", "a/1/%2e%2e/x", "a/1/x%00", "\u0430/1/x",
        "a/1/x%5Cy", "a/1/x y", "-a/1/x", f"a/1/{'x' * 201}", "a/1/\u202ex", "a/1/..%2f..%2fx",
    ],
)  # fmt: skip
def test_an_address_that_could_deceive_is_refused(database: Database, path: str) -> None:
    """Traversal, hidden files, other alphabets, control characters: a clear 422, nothing stored."""
    answer = client(database).put(f"/generic/tools/{path}", content=b"x")
    assert answer.status_code in (404, 422)
    assert stored(database) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=60), content=st.binary(max_size=20))
def test_whatever_the_address_is_the_answer_is_clear(database: Database, path: str, content: bytes) -> None:
    """Stored under exactly this address, or refused with a reason."""
    http = client(database)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quoted = "".join(f"%{each:02x}" for each in path.encode("utf-8", "replace"))
        answer = http.put(f"/generic/tools/{quoted}", content=content)
    assert answer.status_code in (201, 200, 404, 409, 422)  # 404: no route has a line break
    if answer.status_code == 201:
        with database.read() as uow:
            assert artifacts.file_at(uow, "tools", answer.json()["path"]) is not None


@pytest.mark.integration
def test_the_guide_is_right(database: Database, tmp_path: Path) -> None:
    """Its commands, as they stand there, push a file and get it back."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (block,) = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    (tmp_path / "jq-1.7.tar.gz").write_bytes(CONTENT)
    (tmp_path / "got").mkdir()
    script = "set -e\n" + block.replace("\ncurl", "\ncd got\ncurl")
    with serving(generic.create_app(database)) as url:
        variables = {"TOKEN": token(database, "dev"), "CLEARWAY": url, "PATH": "/usr/bin:/bin"}
        subprocess.run(["bash", "-c", script], cwd=tmp_path, env=variables, check=True, timeout=60)
    assert (tmp_path / "got/jq-1.7.tar.gz").read_bytes() == CONTENT
