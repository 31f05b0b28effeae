"""A repository in Maven's layout: what clients send, and what they are told."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from databases import make_database
from defusedxml.ElementTree import fromstring
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearway import access, artifacts, catalog
from clearway.access import UserDocument
from clearway.faces import maven
from clearway.faces.maven import documents, layout
from clearway.kernel import SYSTEM, Invalid, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs

with warnings.catch_warnings():  # it asks for another HTTP library; this one is what we ship
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

PLATFORM = """
{kind: Registry, name: dev, format: maven}
---
{kind: Registry, name: released, format: maven, maturity: release, anonymous: read}
---
{kind: Registry, name: all, format: maven, mode: group, members: [released, dev]}
---
{kind: Registry, name: tools, format: generic}
"""
SHOP = "/maven/dev/org/acme/shop"
JAR = f"{SHOP}/1.0/shop-1.0.jar"
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><project><artifactId>&b;</artifactId></project>'
)
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><project><artifactId>&a;</artifactId></project>'


def pom(version: str = "1.0", group: str = "org.acme", artifact: str = "shop", more: str = "") -> str:
    coordinates = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
    return f'<project xmlns="http://maven.apache.org/POM/4.0.0">{coordinates}{more}</project>'


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


def sha1(data: bytes) -> str:
    return hashlib.new("sha1", data, usedforsecurity=False).hexdigest()


def client(database: Database, name: str | None = "dev", **more: Any) -> TestClient:
    headers = {}
    if name:
        with database.begin() as uow:
            admin = access.TokenActor("admin", actions=access.ACTIONS)
            headers = {"Authorization": f"Bearer {access.create_token(uow, admin, name).secret}"}
    return TestClient(maven.create_app(database, **more), headers=headers)


def versions(http: TestClient, registry: str = "dev", name: str = "shop") -> list[str]:
    answer = http.get(f"/maven/{registry}/org/acme/{name}/maven-metadata.xml")
    return [each.text or "" for each in fromstring(answer.content).iter("version")]


def test_a_release_goes_in_once_and_comes_out_with_four_checksums(database: Database) -> None:
    """New is 201, the same again 200, other bytes 409; every file has md5, sha1, sha256 and sha512."""
    http = client(database)
    assert http.put(JAR, content=b"jar").status_code == 201
    assert http.put(JAR, content=b"jar").status_code == 200
    other = http.put(JAR, content=b"other")
    assert (other.status_code, "never changes" in other.text) == (409, True)
    assert http.get(JAR).content == b"jar"
    assert (http.head(JAR).status_code, http.head(JAR).content) == (200, b"")
    for name in ("md5", "sha1", "sha256", "sha512"):
        assert http.get(f"{JAR}.{name}").text == hashlib.new(name, b"jar").hexdigest()
    assert http.get(f"{SHOP}/1.0/shop-1.0.pom").status_code == 404


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_a_checksum_that_a_client_sends_is_held_against_the_bytes(database: Database, name: str) -> None:
    """The right one is well, in either letters and with a file's name; a wrong one, or none, is 422."""
    http = client(database)
    right = hashlib.new(name, b"jar").hexdigest()
    assert http.put(f"{JAR}.{name}", content=right).status_code == 404
    http.put(JAR, content=b"jar")
    for well in (right, right.upper(), f"{right}  shop-1.0.jar\n"):
        assert http.put(f"{JAR}.{name}", content=well).status_code == 200
    for wrong in (hashlib.new(name, b"other").hexdigest(), right[:-1], "", "g" * len(right), "\x00"):
        assert http.put(f"{JAR}.{name}", content=wrong).status_code == 422
    assert http.put(f"{JAR}.{name}", content="0" * 5000).status_code == 413


def test_metadata_is_made_from_what_is_stored(database: Database) -> None:
    """What a client sends as metadata changes nothing; two that deploy at once lose nothing."""
    http = client(database)
    assert http.get(f"{SHOP}/maven-metadata.xml").status_code == 404

    def deploy(number: int) -> None:
        path = f"{SHOP}/1.{number}/shop-1.{number}.pom"
        assert http.put(path, content=pom(f"1.{number}")).status_code == 201
        mine = f"<metadata><groupId>org.acme</groupId><artifactId>shop</artifactId>{number}</metadata>"
        assert http.put(f"{SHOP}/maven-metadata.xml", content=mine).status_code == 200
        told = sha1(mine.encode())
        assert http.put(f"{SHOP}/maven-metadata.xml.sha1", content=told).status_code == 200

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deploy, range(8)))
    assert sorted(versions(http)) == [f"1.{number}" for number in range(8)]
    answer = http.get(f"{SHOP}/maven-metadata.xml")
    assert fromstring(answer.content).findtext("versioning/release") == versions(http)[-1]
    for name in ("md5", "sha1", "sha256", "sha512"):
        made = hashlib.new(name, answer.content).hexdigest()
        assert http.get(f"{SHOP}/maven-metadata.xml.{name}").text == made
    assert answer.headers["x-checksum-sha1"] == sha1(answer.content)
    again = http.get(f"{SHOP}/maven-metadata.xml", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_snapshots_builds_stay_and_its_metadata_names_the_newest_whole_one(database: Database) -> None:
    """A build whose POM has not come yet is not told; its files are there all the same."""
    http = client(database)
    folder = f"{SHOP}/1.1-SNAPSHOT"
    first, second = "1.1-20260101.120000-1", "1.1-20260102.080000-2"
    http.put(f"{folder}/shop-{first}.jar", content=b"one")
    http.put(f"{folder}/shop-{first}-sources.jar", content=b"source")
    http.put(f"{folder}/shop-{first}.pom", content=pom("1.1-SNAPSHOT"))
    assert http.put(f"{folder}/shop-{second}.jar", content=b"two").status_code == 201

    def told() -> tuple[str | None, dict[tuple[str | None, str | None], str | None]]:
        root = fromstring(http.get(f"{folder}/maven-metadata.xml").content)
        assert root.findtext("version") == "1.1-SNAPSHOT"
        files = {
            (each.findtext("classifier"), each.findtext("extension")): each.findtext("value")
            for each in root.iter("snapshotVersion")
        }
        return root.findtext("versioning/snapshot/buildNumber"), files

    whole = {(None, "jar"): first, ("sources", "jar"): first, (None, "pom"): first}
    assert told() == ("1", whole)
    http.put(f"{folder}/shop-{second}.pom", content=pom("1.1-SNAPSHOT"))
    assert told() == ("2", {**whole, (None, "jar"): second, (None, "pom"): second})
    assert http.get(f"{folder}/shop-{first}.jar").content == b"one"
    assert http.put(f"{folder}/shop-{first}.jar", content=b"other").status_code == 409
    assert versions(http) == ["1.1-SNAPSHOT"]


def test_a_snapshot_without_time_is_replaced_and_only_in_development(database: Database) -> None:
    """Where a client numbers no builds the newest file stays; a registry for releases takes no snapshot."""
    http = client(database)
    path = "org/acme/shop/1.1-SNAPSHOT/shop-1.1-SNAPSHOT.jar"
    assert http.put(f"/maven/dev/{path}", content=b"one").status_code == 201
    assert http.put(f"/maven/dev/{path}", content=b"two").status_code == 200
    assert http.get(f"/maven/dev/{path}").content == b"two"
    root = fromstring(http.get(f"{SHOP}/1.1-SNAPSHOT/maven-metadata.xml").content)
    assert root.findtext("versioning/snapshot/localCopy") == "false"
    refused = http.put(f"/maven/released/{path}", content=b"one")
    assert (refused.status_code, "for releases" in refused.text) == (409, True)


def test_who_may(database: Database) -> None:
    """A token of whom the roles let write; a wrong one is 401 everywhere; a group holds nothing itself."""
    assert client(database, None).put(JAR, content=b"x").status_code == 401
    assert client(database, "auditor").put(JAR, content=b"x").status_code == 403
    client(database).put("/maven/released/org/acme/shop/1.0/shop-1.0.jar", content=b"x")
    nobody = client(database, None)
    assert nobody.get("/maven/released/org/acme/shop/1.0/shop-1.0.jar").content == b"x"
    assert nobody.get(JAR).status_code == 401
    assert "Basic" in nobody.get(JAR).headers["www-authenticate"]
    spoilt = {"Authorization": "Bearer cwy_none_none"}
    assert nobody.get("/maven/released/org/acme/a/maven-metadata.xml", headers=spoilt).status_code == 401
    assert client(database).put("/maven/all/org/acme/shop/1.0/shop-1.0.jar", content=b"x").status_code == 422
    for other in ("tools", "none"):
        assert client(database).get(f"/maven/{other}/org/acme/shop/1.0/shop-1.0.jar").status_code == 404


def test_who_waits_to_send_a_body_and_is_refused_is_told_to_hang_up(database: Database) -> None:
    """Maven would send its next request where the body was expected, and both would wait for ever."""
    http = client(database, None)
    refused = http.put(JAR, content=b"x", headers={"Expect": "100-continue"})
    assert (refused.status_code, refused.headers["connection"]) == (401, "close")
    assert "connection" not in http.put(JAR, content=b"x").headers


def test_a_group_answers_for_a_name_from_one_member(database: Database) -> None:
    """A higher version of the same name elsewhere is not there: neither its file nor in the metadata."""
    http = client(database)
    http.put("/maven/released/org/acme/shop/1.0/shop-1.0.pom", content=pom())
    http.put(f"{SHOP}/9.9/shop-9.9.pom", content=pom("9.9"))
    assert versions(http, "all") == ["1.0"]
    assert http.get("/maven/all/org/acme/shop/9.9/shop-9.9.pom").status_code == 404
    http.put("/maven/dev/org/acme/own/1/own-1.pom", content=pom("1", artifact="own"))
    assert versions(http, "all", "own") == ["1"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (pom("2.0"), "version"),
        (pom(group="org.evil"), "groupId"),
        (pom(artifact="Shop"), "artifactId"),
        (pom("${revision}"), "flatten"),
        (BOMB, "document type"),
        (FILE, "document type"),
        ("", "no XML"),
        ("{}", "no XML"),
        ("<html/>", "<html>"),
        ("<a>" * 100_000, "no XML"),
        ("<?xml version='1.0' encoding='none'?><project/>", "no XML"),
    ],
)
def test_a_pom_that_is_not_the_one_of_its_address_is_refused(
    database: Database, content: str, word: str
) -> None:
    """In words, with 422, and nothing is stored: neither its bytes nor a version."""
    http = client(database)
    answer = http.put(f"{SHOP}/1.0/shop-1.0.pom", content=content)
    assert (answer.status_code, word in answer.text) == (422, True), answer.text
    blobs = database.tool(Blobs)
    assert isinstance(blobs, FileBlobs)
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []
    assert http.get(f"{SHOP}/maven-metadata.xml").status_code == 404
    assert http.put(f"{SHOP}/maven-metadata.xml", content=content).status_code == 422


def test_a_poms_own_properties_and_parent_are_put_in(database: Database) -> None:
    """What the POM itself can say needs no plug-in; what it says is kept with the file."""
    text = (
        "<project><parent><groupId>org.acme</groupId><artifactId>p</artifactId><version>7</version></parent>"
        "<artifactId>shop</artifactId><version>${mine}</version><name>Shop</name>"
        "<properties><mine>1.0</mine></properties>"
        "<licenses><license><name>MIT</name></license></licenses></project>"
    )
    assert client(database).put(f"{SHOP}/1.0/shop-1.0.pom", content=text).status_code == 201
    with database.read() as uow:
        (file,) = artifacts.files_of(uow, "dev", "org.acme:shop", "1.0")
    assert (file.facts["name"], file.facts["licences"], file.facts["packaging"]) == ("Shop", ["MIT"], "jar")


def test_names_that_differ_in_capitals_only_are_refused(database: Database) -> None:
    """Of a group, an artifact, a version or a file: whoever came first has the name."""
    http = client(database)
    http.put(JAR, content=b"jar")
    http.put(f"{SHOP}/1.0-rc1/shop-1.0-rc1.jar", content=b"jar")
    for path in (
        "org/Acme/shop/1.0/shop-1.0.jar",
        "org/acme/SHOP/1.0/SHOP-1.0.jar",
        "org/acme/Shop/2.0/Shop-2.0.jar",
        "org/acme/shop/1.0-RC1/shop-1.0-RC1.jar",
        "org/acme/shop/1.0/shop-1.0.JAR",
    ):
        answer = http.put(f"/maven/dev/{path}", content=b"jar")
        assert (answer.status_code, "capitals" in answer.text) == (409, True), path
    assert http.get("/maven/dev/org/acme/Shop/maven-metadata.xml").status_code == 404
    assert versions(http) == ["1.0", "1.0-rc1"]


@pytest.mark.parametrize(
    "path",
    [
        "org/acme/shop/1.0/other-1.0.jar",
        "org/acme/shop/1.0/shop-2.0.jar",
        "org/acme/shop/1.0/shop-1.0",
        "org/acme/shop/1.0/shop-1.0evil.jar",
        "org/acme/shop/1.0/shop-1.0-20260101.120000-1/x",
        "org/acme/shop/LATEST/shop-LATEST.jar",
        "org/acme/shop/1-snapshot/shop-1-snapshot.jar",
        "org.acme/shop/1.0/shop-1.0.jar",
        "org/acme/%2e%2e/shop/1.0/shop-1.0.jar",
        "org/acme/shop/%2e%2e/shop-%2e%2e.jar",
        "org/acme//shop/1.0/shop-1.0.jar",
        "org/acm%D0%B5/shop/1.0/shop-1.0.jar",
        "org/acme/shop/1.0/shop-1.0%00.jar",
        "org/acme/shop/1.0/shop-1.0.jar%0A",
        "shop/1.0/shop-1.0.jar",
        "shop-1.0.jar",
        "",
        "maven-metadata.xml",
        "a/" * 600 + "1.0/a-1.0.jar",
    ],
)
def test_an_address_that_is_none_is_refused(database: Database, path: str) -> None:
    """Traversal, other alphabets, control characters, a file of another artifact: 422, nothing stored."""
    http = client(database)
    assert http.put(f"/maven/dev/{path}", content=b"x").status_code == 422
    with database.read() as uow:
        assert not artifacts.packages_in(uow, "dev").items


@given(path=st.text(max_size=80) | st.from_regex(r"([a-z.]{1,4}/){2,5}[a-z0-9.-]{1,12}", fullmatch=True))
def test_what_is_read_as_an_address_is_that_address(path: str) -> None:
    """Whatever comes is refused in words, or is ASCII that names its folders and nothing above them."""
    try:
        read = layout.read(path)
    except Invalid:
        return
    assert path.isascii()
    assert ".." not in path.split("/")
    assert path == read.path + (f".{read.checksum}" if read.checksum else "")
    if not read.metadata:
        folders = [*read.group.split("."), read.artifact, read.version]
        assert read.path.split("/")[:-1] == folders
        assert read.path.rpartition("/")[2].startswith(read.artifact)


@given(
    data=st.binary(max_size=300)
    | st.text(alphabet="<>/!&;[]\"' aproject\x00\ud7ff", max_size=60).map(str.encode)
)
def test_xml_of_strangers_is_read_or_refused(data: bytes) -> None:
    """No bytes make anything but a POM or a refusal."""
    with contextlib.suppress(Invalid):
        assert isinstance(documents.read_pom(data), documents.Pom)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.text(max_size=60), content=st.binary(max_size=60))
def test_no_path_and_no_bytes_make_a_fault(database: Database, path: str, content: bytes) -> None:
    """Whatever a stranger puts is answered with less than 500."""
    http = client(database)
    for prefix in ("/maven/dev/", "/maven/dev/org/acme/shop/1.0/shop-1.0"):
        assert http.put(prefix + quote(path, safe=""), content=content).status_code < 500
        assert http.get(prefix + quote(path, safe="")).status_code < 500


def test_too_much_is_refused_before_and_while_it_comes(database: Database) -> None:
    """A file over the bound is 413, told or not; nothing of it stays."""
    http = client(database, most_bytes=100)
    assert http.put(JAR, content=b"x" * 101).status_code == 413
    assert http.put(JAR, content=iter([b"x" * 60, b"x" * 60])).status_code == 413
    assert http.get(JAR).status_code == 404
