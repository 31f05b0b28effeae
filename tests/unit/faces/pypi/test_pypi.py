"""The Python packages' face: pages, files, uploads, and what strangers send."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import warnings
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import make_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearway import access, artifacts, catalog
from clearway.access import UserDocument
from clearway.faces import pypi
from clearway.faces.pypi import distributions, simple
from clearway.kernel import SYSTEM, Invalid, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PLATFORM = """
{kind: Registry, name: wheels, format: pypi}
---
{kind: Registry, name: released, format: pypi, anonymous: read}
---
{kind: Registry, name: all, format: pypi, mode: group, members: [released, wheels]}
---
{kind: Registry, name: tools, format: generic}
"""
METADATA = (
    "Metadata-Version: 2.1\nName: Shop.Prices\nVersion: 1.0\nRequires-Python: >=3.11\nSummary: prices\n"
)
WHEEL = "shop_prices-1.0-py3-none-any.whl"


def wheel(metadata: str = METADATA, folder: str = "shop_prices-1.0.dist-info", **more: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{folder}/METADATA", metadata)
        for name, content in more.items():
            archive.writestr(name, content)
    return made.getvalue()


def sdist(metadata: str = METADATA, name: str = "shop_prices-1.0/PKG-INFO", before: int = 0) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        if before:
            large = tarfile.TarInfo("shop_prices-1.0/large")
            large.size = before
            archive.addfile(large, io.BytesIO(bytes(before)))
        info = tarfile.TarInfo(name)
        info.size = len(metadata)
        archive.addfile(info, io.BytesIO(metadata.encode()))
    return made.getvalue()


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


def client(database: Database, name: str | None = "dev", **more: Any) -> TestClient:
    made = TestClient(pypi.create_app(database, **more), follow_redirects=False)
    if name:
        with database.begin() as uow:
            admin = access.TokenActor("admin", actions=access.ACTIONS)
            made.auth = ("__token__", access.create_token(uow, admin, name).secret)
    return made


def send(
    http: TestClient, content: bytes, file_name: str = WHEEL, /, registry: str = "wheels", **more: str
) -> Any:
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "name": "shop-prices",
        "version": "1.0",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
        **more,
    }
    return http.post(f"/pypi/{registry}/legacy/", data=fields, files={"content": (file_name, content)})


def stored(database: Database) -> list[Path]:
    blobs = database.tool(Blobs)
    assert isinstance(blobs, FileBlobs)
    return [path for path in blobs.root.rglob("*") if path.is_file()]


def detail(http: TestClient, registry: str = "wheels") -> Any:
    return http.get(f"/pypi/{registry}/simple/shop-prices/", headers={"Accept": simple.JSON})


def test_what_is_uploaded_is_on_the_page_and_comes_out(database: Database) -> None:
    """With its digests, size, arrival, Python versions and metadata beside it."""
    http, content = client(database), wheel()
    md5, blake = hashlib.md5(content), hashlib.blake2b(content, digest_size=32)  # noqa: S324 - what they send
    told = {"md5_digest": md5.hexdigest(), "blake2_256_digest": blake.hexdigest()}
    assert send(http, content, **told).status_code == 200
    page = detail(http)
    assert page.headers["content-type"] == simple.JSON
    found = page.json()
    assert (found["name"], found["versions"], found["meta"]) == (
        "shop-prices",
        ["1.0"],
        {"api-version": "1.4"},
    )
    assert found["project-status"] == {"status": "active"}
    (file,) = found["files"]
    assert file["hashes"] == {"sha256": hashlib.sha256(content).hexdigest()}
    assert (file["filename"], file["size"], file["yanked"]) == (WHEEL, len(content), False)
    assert file["requires-python"] == ">=3.11"
    assert file["core-metadata"] == {"sha256": hashlib.sha256(METADATA.encode()).hexdigest()}
    assert datetime.fromisoformat(file["upload-time"]).tzinfo is not None
    address = f"/pypi/wheels/simple/shop-prices/{file['url']}"
    assert http.get(address).content == content
    assert http.get(address + ".metadata").text == METADATA


def test_pages_come_in_the_form_that_is_asked_for(database: Database) -> None:
    """JSON, HTML, or 406; a known page is 304; names that are not normalised lead on."""
    http = client(database)
    send(http, wheel())
    send(http, sdist(), "shop_prices-1.0.tar.gz")
    base = "/pypi/wheels/simple/shop-prices/"
    page = http.get(base, headers={"Accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.count("<a href=") == 2
    for part in ('name="pypi:repository-version" content="1.4"', 'data-requires-python="&gt;=3.11"'):
        assert part in page.text
    assert f'data-core-metadata="sha256={hashlib.sha256(METADATA.encode()).hexdigest()}"' in page.text
    assert http.get(base, headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert http.get(base, headers={"Accept": "image/png"}).status_code == 406
    assert http.get(f"{base}?format={simple.JSON}", headers={"Accept": "text/html"}).json()["versions"]
    assert http.get("/pypi/wheels/simple/", headers={"Accept": simple.JSON}).json()["projects"] == [
        {"name": "shop-prices"}
    ]
    assert '<a href="shop-prices/">' in http.get("/pypi/wheels/simple/").text
    moved = http.get("/pypi/wheels/simple/Shop.Prices/")
    assert (moved.status_code, moved.headers["location"]) == (301, "../shop-prices/")
    assert http.get("/pypi/wheels/simple/Shop.Prices").headers["location"] == "shop-prices/"
    assert http.get("/pypi/wheels/simple/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", simple.PLAIN),
        ("*/*", simple.PLAIN),
        (f"{simple.JSON}, {simple.HTML};q=0.1, text/html;q=0.01", simple.JSON),
        (f"text/html, {simple.JSON};q=0.5", simple.PLAIN),
        ("application/vnd.pypi.simple.latest+json", simple.JSON),
        (f"{simple.HTML}", simple.HTML),
        ("application/json", None),
        (f"{simple.JSON};q=0", None),
        (f"{simple.JSON};q=many, text/html", simple.PLAIN),
    ],
)
def test_the_best_of_what_a_client_takes(accept: str, form: str | None) -> None:
    """By weight, then by order (PEP 691)."""
    assert simple.wanted(accept, None) == form


def test_what_is_released_never_changes(database: Database) -> None:
    """The same bytes again are well, other bytes are 409, and the page changes when a file comes."""
    http = client(database)
    assert send(http, wheel()).status_code == 200
    before = detail(http)
    assert send(http, wheel()).status_code == 200
    other = send(http, wheel(more=b"x"))
    assert (other.status_code, "never changes" in other.text) == (409, True)
    assert detail(http).headers["etag"] == before.headers["etag"]
    send(http, sdist(), "shop_prices-1.0.tar.gz")
    assert len(detail(http).json()["files"]) == 2


def test_a_yanked_file_says_so(database: Database) -> None:
    """In both forms, with the reason (PEP 592), escaped."""
    http = client(database)
    send(http, wheel())
    with database.begin() as uow:
        registry = catalog.registry(uow, "wheels")
        path = f"shop-prices/{WHEEL}"
        known = artifacts.file_at(uow, "wheels", path)
        assert known is not None
        facts = {**known.facts, "yanked": "<broken>"}
        artifacts.change_facts(uow, SYSTEM, registry, path, facts, "broken")
    assert detail(http).json()["files"][0]["yanked"] == "<broken>"
    assert 'data-yanked="&lt;broken&gt;"' in http.get("/pypi/wheels/simple/shop-prices/").text


def test_who_may(database: Database) -> None:
    """401 with a challenge, 403, 404; what is open is read without a token; a group shows one owner."""
    assert send(client(database, None), wheel()).status_code == 401
    assert detail(client(database, None)).headers["www-authenticate"].startswith("Basic")
    assert send(client(database, "auditor"), wheel()).status_code == 403
    assert send(client(database), wheel(), registry="tools").status_code == 404
    assert send(client(database), wheel(), registry="all").status_code == 400
    assert stored(database) == []
    send(client(database), wheel(), registry="released")
    send(client(database), wheel(METADATA.replace("1.0", "9.0"), "shop_prices-9.0.dist-info"),
         "shop_prices-9.0-py3-none-any.whl", version="9.0")  # fmt: skip
    assert detail(client(database, None), "released").json()["versions"] == ["1.0"]
    assert detail(client(database), "all").json()["versions"] == ["1.0"]


BAD: dict[str, tuple[bytes, str, dict[str, str]]] = {
    "another name inside": (wheel(METADATA.replace("Shop.Prices", "other")), WHEEL, {}),
    "another version inside": (wheel(METADATA.replace("Version: 1.0", "Version: 2.0")), WHEEL, {}),
    "no metadata": (wheel(folder="other-1.0.dist-info"), WHEEL, {}),
    "no zip": (b"PK\x03\x04 nothing", WHEEL, {}),
    "metadata without end": (wheel(METADATA + "x" * (2 << 20)), WHEEL, {}),
    "requires no Python": (wheel(METADATA.replace(">=3.11", "~~3")), WHEEL, {}),
    "no gzip": (b"\x1f\x8b nothing", "shop_prices-1.0.tar.gz", {}),
    "no PKG-INFO": (sdist(name="PKG-INFO"), "shop_prices-1.0.tar.gz", {}),
    "a bomb": (sdist(before=80 << 20), "shop_prices-1.0.tar.gz", {}),
    "another digest": (wheel(), WHEEL, {"sha256_digest": "0" * 64}),
    "no digest": (wheel(), WHEEL, {"sha256_digest": "x"}),
    "another md5": (wheel(), WHEEL, {"md5_digest": "0" * 32}),
    "another blake2": (wheel(), WHEEL, {"blake2_256_digest": "0" * 64}),
    "another action": (wheel(), WHEEL, {":action": "submit"}),
    "another name in the form": (wheel(), WHEEL, {"name": "other"}),
    "attestations": (wheel(), WHEEL, {"attestations": "[]"}),
    "a path": (wheel(), "../shop_prices-1.0-py3-none-any.whl", {}),
    "an egg": (wheel(), "shop_prices-1.0-py3.11.egg", {}),
    "another alphabet": (wheel(), "sh\u043ep_prices-1.0-py3-none-any.whl", {}),
    "a wheel without tags": (wheel(), "shop_prices-1.0.whl", {}),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_a_clear_400_and_stores_nothing(database: Database, case: str) -> None:
    """In one line that names what is wrong, as twine and uv show it."""
    content, name, fields = BAD[case]
    answer = send(client(database), content, name, **fields)
    assert (answer.status_code, answer.text.count("\n")) == (400, 1), answer.text
    assert stored(database) == []


def test_forms_that_are_none(database: Database) -> None:
    """No file, two files, a body cut off, no form at all, more than fits: nothing is stored."""
    http = client(database)
    url = "/pypi/wheels/legacy/"
    fields = {":action": "file_upload", "name": "shop-prices"}
    assert http.post(url, data=fields, files={"other": ("x", b"x")}).status_code == 400
    twice = [("content", (WHEEL, wheel())), ("content", (WHEEL, wheel()))]
    assert http.post(url, data=fields, files=twice).status_code == 400
    cut = b'--b\r\nContent-Disposition: form-data; name="content"; filename="x"\r\n\r\nPK'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert http.post(url, content=cut, headers=kind).status_code == 400
    assert http.post(url, content=b"{}", headers={"Content-Type": "application/json"}).status_code == 400
    assert send(client(database, most_bytes=100), wheel()).status_code == 413
    many = {f"f{number}": "x" for number in range(600)}
    assert send(http, wheel(), **many).status_code == 413
    assert stored(database) == []


@settings(max_examples=150, deadline=None)
@given(name=st.text(max_size=60))
def test_a_file_name_is_understood_or_refused(name: str) -> None:
    """Nothing else, whatever it is."""
    for end in ("", ".whl", ".tar.gz", "-1.0-py3-none-any.whl", "-1.0.tar.gz"):
        try:
            found = distributions.read_file_name(name + end)
        except Invalid:
            continue
        assert distributions.normalised(found.package) == found.package


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), whole=st.booleans())
def test_whatever_an_archive_contains_the_answer_is_clear(
    tmp_path: Path, content: bytes, whole: bool
) -> None:
    """Described, or refused with a reason."""
    path = tmp_path / "file"
    path.write_bytes(wheel(METADATA[:30] + content.decode("latin-1")) if whole else content)
    for name in (WHEEL, "shop_prices-1.0.tar.gz"):
        with pytest.raises(Invalid):
            distributions.describe(distributions.read_file_name(name), path)


def test_json_is_small(database: Database) -> None:
    """No blanks between parts: pages are read by machines."""
    http = client(database)
    send(http, wheel())
    assert ": " not in json.dumps(detail(http).json(), separators=(",", ":")).replace(">=3.11", "")
    assert b'", "' not in detail(http).content
