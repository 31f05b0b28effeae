"""What strangers send to the npm face: lies, bombs, names that look like others."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from npm_packages import NAME, client, document, publish, put, refused, stored, tarball

from clearway.faces.npm import bodies, names, tarballs
from clearway.kernel import ClearwayError, Invalid
from clearway.storage import Database


def test_a_tarball_is_what_the_request_says(database: Database) -> None:
    """Name, version, digests, length, the attachment's name: any lie refuses it, and leaves nothing."""
    http, content = client(database), tarball()
    good = document(content)
    lies: list[Any] = [document(tarball("other")), document(tarball(version="2.0.0"))]
    lies += [document(tarball(dependencies={"hidden": "1"})), document(content, dependencies={"false": "1"})]
    for path, value in [
        (("name",), "other"),
        (("_id",), "other"),
        (("versions", "1.0.0", "name"), "other"),
        (("versions", "1.0.0", "version"), "1.0.1"),
        (("versions", "1.0.0", "dist", "shasum"), "0" * 40),
        (("versions", "1.0.0", "dist", "integrity"), "sha512-" + base64.b64encode(bytes(64)).decode()),
        (("versions", "1.0.0", "dist", "integrity"), "md5-AAAA"),
        (("versions", "1.0.0", "dist", "integrity"), "sha512-!"),
        (("versions", "1.0.0", "dist"), []),
        (("_attachments", f"{NAME}-1.0.0.tgz", "length"), len(content) + 1),
        (("_attachments", f"{NAME}-1.0.0.tgz", "length"), "1"),
        (("_attachments", f"{NAME}-1.0.0.tgz", "data"), base64.b64encode(content).decode()[:-4]),
        (("_attachments", f"{NAME}-1.0.0.tgz", "data"), "####"),
        (("_attachments", f"{NAME}-1.0.0.tgz", "data"), base64.b64encode(content).decode() + "AAAA="),
        (("_attachments", f"{NAME}-1.0.0.tgz", "data"), 7),
        (("_attachments",), {"../../x.tgz": good["_attachments"][f"{NAME}-1.0.0.tgz"]}),
        (("_attachments",), {**good["_attachments"], "b.sigstore": {"data": "AAAA"}}),
        (("_attachments",), [1]),
        (("versions",), {}),
        (("versions",), []),
        (("dist-tags",), {"latest": "2.0.0"}),
        (("dist-tags",), {"v1": "1.0.0"}),
    ]:
        body = json.loads(json.dumps(good))
        place = body
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        lies.append(body)
    for lie in lies:
        refused(database, http, lie)
    assert put(http, good).status_code == 201


def test_what_strangers_send_as_json_is_refused(database: Database) -> None:
    """Depth, prototypes, keys twice, halves of characters, no JSON, no UTF-8."""
    http = client(database)
    for body in [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"versions":' + b'{"a":' * 10_000,
        b'{"__proto__": {}, "versions": {}}',
        b'{"versions": {"1.0.0": {"\\u005f_proto__": 1}}}',
        b'{"a": 1, "a": 2}',
        b'{"versions": {"1.0.0": {"deprecated": "\\ud800"}}}',
        b'{"versions": NaN}',
        b'{"versions": {"1.0.0": {"x": 1e999}}}',
        b"\xff\xfe",
        b"",
        b"]",
        b'"',
        b"null",
        b'{"_attachments": {"a": {"data": "AAAA',
        b'{"_attachments": {"a": {"data": "AAAA", "data": "AAAA"}}}',
        b'{"' + b"k" * 2000 + b'": 1}',
        b'{"a": ' + b"9" * 5000 + b"}",
    ]:
        refused(database, http, body)


def archive(*members: tarfile.TarInfo, content: bytes = b"", **more: Any) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", **more) as target:
        for each in members:
            target.addfile(each, io.BytesIO(content) if each.isreg() else None)
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def test_a_hostile_tarball_is_refused(database: Database) -> None:
    """What leads outside, links, devices, bombs, two package.json, headers without end, no archive at all."""
    http = client(database)
    deep = b'{"name":"shop-prices","version":"1.0.0","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    long = member("package/" + "n" * (2 << 20))
    for content in [
        archive(member("../x")),
        archive(member("/etc/x")),
        archive(member("package/..\\..\\x")),
        archive(member("C:/x")),
        archive(member("package/x", tarfile.SYMTYPE, "y")),
        archive(member("package/x", tarfile.LNKTYPE, "../../y")),
        archive(member("package/x", tarfile.CHRTYPE)),
        archive(member("package/x", tarfile.FIFOTYPE)),
        archive(member("package/package.json", size=len(deep)), content=deep),
        archive(member("package/package.json", size=2), content=b"[]"),
        archive(long, format=tarfile.PAX_FORMAT),
        archive(long, format=tarfile.GNU_FORMAT),
        tarball(members={"package/PACKAGE.json": b"{}"}),
        tarball(members={"other/package.json": b"{}"}),
        tarball(members={"package/zeros": bytes(64 << 20)}),
        gzip.compress(bytes(40 << 20)),
        gzip.compress(b"no archive"),
        tarball()[:-20],
        b"no gzip",
        b"",
    ]:
        refused(database, http, document(content))


def test_a_tarball_beyond_the_limit_is_refused_while_it_comes(database: Database) -> None:
    """413, and nothing is kept."""
    http = client(database, most_bytes=1000)
    content = tarball(members={"package/x": hashlib.shake_256(b"x").digest(4000)})
    done = put(http, document(content))
    assert done.status_code == 413
    assert stored(database) == []


def test_names_and_versions_follow_npm(database: Database) -> None:
    """Lower case ASCII, nothing hidden, nothing that only looks like another name."""
    http = client(database)
    publish(http)
    for name in (
        "Shop",
        "shop prices",
        "_x",
        ".x",
        "@x",
        "@S/x",
        "a" * 215,
        "shоp",
        "shop%0a",
        "node_modules",
        "a~b",
    ):
        assert put(http, document(tarball(name), name), name).status_code in (400, 404, 405), name
        assert http.get(f"/npm/js/{name}").status_code in (400, 404), name
    assert "too much like" in refused(
        database, http, document(tarball("shop.prices"), "shop.prices"), "shop.prices"
    )
    for version in (
        "1",
        "1.0",
        "v1.0.0",
        "1.0.0+build",
        "01.0.0",
        "1.0.0-",
        "9007199254740992.0.0",
        "١.0.0",
        "1.0.0\n",
    ):
        refused(database, http, document(tarball(version=version), version=version))


@pytest.mark.parametrize(
    "path", ["..%2f..%2fetc", f"{NAME}/-/..%2f..%2fx", f"{NAME}/-/../../js", "-", "-/x", "@a", "@/b"]
)
def test_addresses_that_lead_elsewhere_find_nothing(database: Database, path: str) -> None:
    """400 or 404."""
    http = client(database)
    publish(http)
    assert http.get(f"/npm/js/{path}").status_code in (400, 404)


def test_a_host_that_is_none_is_refused(database: Database) -> None:
    """Addresses of tarballs are made of it."""
    http = client(database)
    publish(http)
    assert http.get(f"/npm/js/{NAME}", headers={"Host": 'evil"/x'}).status_code == 400


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300), cut=st.integers(1, 40), escaped=st.booleans(), before=st.booleans())
def test_the_split_is_the_same_wherever_the_pieces_end(
    content: bytes, cut: int, escaped: bool, before: bool
) -> None:
    """The attachment comes out whole; the rest is the JSON without it."""
    rest = {"name": 'a"\\b', "x": [1, {"data": "kept"}]}
    attachment = {"_attachments": {"f": {"data": base64.b64encode(content).decode(), "length": 1}}}
    text = json.dumps({**rest, **attachment} if before else {**attachment, **rest})
    data = (text.replace("/", "\\/") if escaped else text).encode()
    came = bytearray()
    splitter = bodies.Splitter(came.extend, most=10_000)
    for at in range(0, len(data), cut):
        splitter.feed(data[at : at + cut])
    found = splitter.end()
    assert bytes(came) == content
    assert found == {**rest, "_attachments": {"f": {"data": "", "length": 1}}}


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=200) | st.text('{}[]",:\\_attachmentsdata019', max_size=200).map(str.encode),
    cut=st.integers(1, 50),
)
def test_any_bytes_are_json_or_refused(data: bytes, cut: int) -> None:
    """Nothing else happens, and whatever is taken is what json reads."""
    splitter = bodies.Splitter(lambda _: None, most=10_000)
    try:
        for at in range(0, len(data), cut):
            splitter.feed(data[at : at + cut])
        found = splitter.end()
    except ClearwayError:
        return
    if not splitter.attachments:
        assert found == json.loads(data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000), packed=st.booleans())
def test_any_bytes_are_a_tarball_or_refused(tmp_path: Path, data: bytes, packed: bool) -> None:
    """Also damaged ones."""
    path = tmp_path / "x.tgz"
    whole = bytearray(gzip.decompress(tarball()))
    whole[: len(data)] = data
    path.write_bytes(gzip.compress(bytes(whole)) if packed else data)
    with suppress(Invalid):
        tarballs.look_inside(path)


@given(st.text(max_size=60))
def test_a_name_that_is_taken_is_ascii_in_lower_case(text: str) -> None:
    """Whatever was sent."""
    try:
        names.read_name(text)
    except Invalid:
        return
    assert text.isascii()
    assert text == text.lower()
    assert ".." not in text.split("/")
