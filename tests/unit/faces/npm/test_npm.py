"""The npm face: packuments, publishing, tags, unpublishing, signing in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from npm_packages import NAME, SCOPED, client, document, publish, put, stored, tarball

from clearway import access, artifacts, catalog
from clearway.faces.npm import packuments, reading
from clearway.kernel import SYSTEM, Actor
from clearway.storage import Database

FIRST, PASSWORD = "a first long word", "a long word of their own"


@pytest.mark.parametrize("name", [NAME, SCOPED])
def test_what_is_published_is_in_the_packument_and_comes_out(database: Database, name: str) -> None:
    """With its own digests and address, whatever the client said; the scope's slash may be encoded or not."""
    http = client(database)
    content = publish(http, name, dependencies={"left": "^1.0.0"}, scripts={"postinstall": "x"})
    for path in (name, name.replace("/", "%2f")):
        found = http.get(f"/npm/js/{path}").json()
        assert found["dist-tags"] == {"latest": "1.0.0"}
        version = found["versions"]["1.0.0"]
        assert version["hasInstallScript"] is True
        assert version["dist"]["fileCount"] == 1
        assert (
            version["dist"]["tarball"]
            == f"http://testserver/npm/js/{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz"
        )
        assert found["time"]["1.0.0"] == found["time"]["created"]
        assert found["readme"] == ""
    got = http.get(version["dist"]["tarball"])
    assert got.content == content
    assert "immutable" in got.headers["cache-control"]
    for asked in ("1.0.0", "latest"):
        assert http.get(f"/npm/js/{name}/{asked}").json()["dependencies"] == {"left": "^1.0.0"}
    assert http.get(f"/npm/js/{name}/2.0.0").status_code == 404
    assert http.get("/npm/js/none").json() == {"ok": False, "error": "there is no package none here"}


def test_the_abbreviated_form_has_what_an_install_needs(database: Database) -> None:
    """And nothing else; each form has its own tag, and a client that has it gets 304."""
    http = client(database)
    publish(http, dependencies={"left": "1"}, description="prices", engines={"node": ">=18"})
    short = http.get(
        f"/npm/js/{NAME}", headers={"Accept": f"{packuments.SHORT}; q=1.0, application/json; q=0.8"}
    )
    assert short.headers["content-type"] == packuments.SHORT
    assert set(short.json()) == {"name", "modified", "dist-tags", "versions"}
    assert "description" not in short.json()["versions"]["1.0.0"]
    assert short.json()["versions"]["1.0.0"]["engines"] == {"node": ">=18"}
    full = http.get(f"/npm/js/{NAME}")
    assert full.json()["description"] == "prices"
    assert full.headers["etag"] != short.headers["etag"]
    again = http.get(f"/npm/js/{NAME}", headers={"If-None-Match": full.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    publish(http, version="1.1.0")
    changed = http.get(f"/npm/js/{NAME}", headers={"If-None-Match": full.headers["etag"]})
    assert changed.status_code == 200
    plain = http.get(f"/npm/js/{NAME}", headers={"Accept-Encoding": "identity"})
    assert plain.content == changed.content


def test_what_is_published_never_changes(database: Database) -> None:
    """The same again is well; other bytes under the version are refused, and leave nothing."""
    http = client(database)
    content = publish(http)
    assert put(http, document(content)).status_code == 201
    before = stored(database)
    other = put(http, document(tarball(members={"package/x.js": b"1"})))
    assert other.status_code == 409
    assert "never changes" in other.json()["error"]
    assert stored(database) == before


def test_of_those_who_publish_one_version_at_once_one_wins(database: Database) -> None:
    """The others are told; what is read is what the winner sent."""
    contents = [tarball(members={"package/x": bytes([n])}) for n in range(4)]
    https = [client(database) for _ in contents]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda each: put(each[0], document(each[1])), zip(https, contents, strict=True)))
    assert sorted(each.status_code for each in done) == [201, 409, 409, 409]
    (winner,) = [content for each, content in zip(done, contents, strict=True) if each.status_code == 201]
    assert https[0].get(f"/npm/js/{NAME}/-/{NAME}-1.0.0.tgz").content == winner


def test_what_is_promoted_is_installed_from_there(database: Database) -> None:
    """With its manifest and its tag; nobody can unpublish it."""
    http = client(database)
    content = publish(http, SCOPED, dependencies={"left": "1"})
    with database.begin() as uow:
        source, target = (catalog.registry(uow, name) for name in ("js", "released"))
        found = artifacts.closure(uow, source, SCOPED, "1.0.0")
        digests = [each.digest for each in found.files]
        artifacts.promote(uow, SYSTEM, source, target, SCOPED, "1.0.0", reason="tested", proven=digests)
    there = http.get(f"/npm/released/{SCOPED}").json()
    assert there["dist-tags"] == {"latest": "1.0.0"}
    assert http.get(there["versions"]["1.0.0"]["dist"]["tarball"]).content == content


def test_tags_move_and_go(database: Database) -> None:
    """latest is always there; no tag reads as a range, and none names what is not there."""
    http = client(database)
    publish(http, version="1.0.0", tag="next")
    publish(http, version="2.0.0-rc.1", tag="next")
    base = f"/npm/js/-/package/{NAME}/dist-tags"
    assert http.get(base).json() == {"latest": "1.0.0", "next": "2.0.0-rc.1"}
    assert http.put(f"{base}/stable", content=b'"1.0.0"').status_code == 201
    assert http.get(f"/npm/js/{NAME}/stable").json()["version"] == "1.0.0"
    assert http.put(f"{base}/stable", content=b'"9.0.0"').status_code == 404
    assert http.delete(f"{base}/stable").json()["dist-tags"] == {"latest": "1.0.0", "next": "2.0.0-rc.1"}
    assert http.delete(f"{base}/stable").status_code == 404
    assert http.delete(f"{base}/latest").status_code == 400
    for tag in ("v1", "1.x", "x", "constructor", "__proto__", "a%20b"):
        assert http.put(f"{base}/{tag}", content=b'"1.0.0"').status_code == 400, tag
    assert http.put(f"{base}/good", content=b"{").status_code == 400


def test_deprecation_is_said_of_a_version_and_taken_back(database: Database) -> None:
    """As npm deprecate does it: the whole packument comes back. A stale revision is a conflict."""
    http = client(database)
    publish(http)
    publish(http, version="1.1.0")
    body = http.get(f"/npm/js/{NAME}?write=true").json()
    body["versions"]["1.0.0"]["deprecated"] = "use 1.1"
    assert put(http, body).status_code == 201
    assert put(http, body).status_code == 409
    found = http.get(f"/npm/js/{NAME}", headers={"Accept": packuments.SHORT}).json()
    assert [each.get("deprecated") for each in found["versions"].values()] == ["use 1.1", None]
    body = http.get(f"/npm/js/{NAME}").json()
    body["versions"]["1.0.0"]["deprecated"] = ""
    assert put(http, body).status_code == 201
    assert "deprecated" not in http.get(f"/npm/js/{NAME}/1.0.0").json()
    assert put(http, {"versions": {"7.0.0": {"deprecated": "x"}}}).status_code == 404


def test_unpublishing_takes_the_right_the_revision_and_no_release_registry(database: Database) -> None:
    """One version, then all; never from a release registry, never by one who may not delete."""
    http, admin = client(database), client(database, "admin")
    for registry in ("js", "released"):
        publish(admin, registry=registry)
        publish(admin, version="1.1.0", registry=registry)
    body = http.get(f"/npm/js/{NAME}").json()
    old, revision = body["_rev"], body["_rev"]
    del body["versions"]["1.1.0"]
    assert http.put(f"/npm/js/{NAME}/-rev/{revision}", json=body).status_code == 403
    assert admin.put(f"/npm/js/{NAME}/-rev/{revision}", json=body).status_code == 201
    assert http.get(f"/npm/js/{NAME}").json()["dist-tags"] == {"latest": "1.0.0"}
    file = f"/npm/js/{NAME}/-/{NAME}-1.1.0.tgz"
    assert http.get(file).status_code == 404
    revision = http.get(f"/npm/js/{NAME}").json()["_rev"]
    assert admin.delete(f"{file}/-rev/{revision}").status_code == 200
    assert admin.delete(f"/npm/js/{NAME}/-rev/{old}").status_code == 409
    assert http.delete(f"/npm/js/{NAME}/-rev/{revision}").status_code == 403
    assert admin.delete(f"/npm/js/{NAME}/-rev/{revision}").status_code == 200
    assert http.get(f"/npm/js/{NAME}").status_code == 404
    revision = admin.get(f"/npm/released/{NAME}").json()["_rev"]
    refused = admin.delete(f"/npm/released/{NAME}/-rev/{revision}")
    assert refused.status_code == 403
    assert "release registry" in refused.json()["error"]


def test_a_group_answers_from_the_one_member_that_owns_the_name(database: Database) -> None:
    """A higher version elsewhere does not take the name over; nothing is published to a group."""
    http = client(database)
    publish(http, version="1.0.0", registry="released")
    publish(http, version="9.0.0", registry="js")
    publish(http, "other", registry="js")
    assert list(http.get(f"/npm/all/{NAME}").json()["versions"]) == ["1.0.0"]
    tarball_there = http.get(f"/npm/all/{NAME}").json()["versions"]["1.0.0"]["dist"]["tarball"]
    assert http.get(tarball_there).status_code == 200
    assert http.get(f"/npm/all/{NAME}/-/{NAME}-9.0.0.tgz").status_code == 404
    assert put(http, document(tarball("new"), "new"), "new", "all").status_code == 400
    found = http.get("/npm/all/-/v1/search", params={"text": ""}).json()["objects"]
    assert [(each["package"]["name"], each["package"]["version"]) for each in found] == [
        ("other", "1.0.0"),
        (NAME, "1.0.0"),
    ]


def test_search_finds_by_words_of_the_name(database: Database) -> None:
    """In pages, within a scope when asked."""
    http = client(database)
    for name in ("alpha", "alpha-beta", "@shop/alpha"):
        publish(http, name, description="d")
    ask = lambda **more: http.get("/npm/js/-/v1/search", params=more)  # noqa: E731
    assert [each["package"]["name"] for each in ask(text="alpha").json()["objects"]] == [
        "alpha",
        "alpha-beta",
        "@shop/alpha",
    ]
    assert [each["package"]["name"] for each in ask(text="scope:shop").json()["objects"]] == ["@shop/alpha"]
    page = ask(text="alpha", size="1", **{"from": "1"}).json()
    assert (page["total"], [each["package"]["name"] for each in page["objects"]]) == (3, ["alpha-beta"])
    assert ask(text="", size="x").status_code == 400
    assert ask().status_code == 400


def test_the_house_answers_what_clients_ask(database: Database) -> None:
    """ping, whoami, audits; nothing else."""
    http = client(database)
    assert http.get("/npm/js/-/ping").json() == {}
    assert http.get("/npm/js/-/whoami").json() == {"username": "dev"}
    assert http.post("/npm/js/-/npm/v1/security/advisories/bulk", json={"a": ["1.0.0"]}).json() == {}
    assert (
        http.post("/npm/js/-/npm/v1/security/audits/quick", json={"dependencies": {"a": {}}}).json()[
            "advisories"
        ]
        == {}
    )
    assert http.post("/npm/js/-/v1/login", json={}).status_code == 404
    assert http.get("/npm/tools/-/ping").status_code == 404
    assert http.get("/npm/none/-/ping").status_code == 404


def test_a_password_or_a_token_gives_a_token(database: Database) -> None:
    """The one for packages only, the other itself; logging out ends it."""
    with database.begin() as uow:
        access.set_password(uow, Actor("admin"), "dev", FIRST)
    http = client(database, None)

    def login(password: str, name: str = "dev") -> Any:
        body = {"name": name, "password": password}
        return http.put(f"/npm/js/-/user/org.couchdb.user:{name}", json=body)

    assert login(FIRST).status_code == 403  # the administrator knows it too
    with database.begin() as uow:
        access.set_password(uow, Actor("dev"), "dev", PASSWORD, current=FIRST)
    assert login("wrong").status_code == 401
    done = login(PASSWORD)
    assert done.status_code == 201, done.text
    token = done.json()["token"]
    with database.read() as uow:
        actor = access.authenticate(uow, token).actor
    assert isinstance(actor, access.TokenActor)
    assert actor.actions == access.ACTIONS & {each for each in access.ACTIONS if each.startswith("artifact:")}
    assert login(token).json()["token"] == token
    assert (
        http.put(
            "/npm/js/-/user/org.couchdb.user:admin", json={"name": "admin", "password": token}
        ).status_code
        == 401
    )
    http.headers["Authorization"] = f"Bearer {token}"
    assert http.get("/npm/js/-/whoami").json() == {"username": "dev"}
    assert http.get("/npm/js/-/user/org.couchdb.user:dev").json()["name"] == "dev"
    assert http.delete(f"/npm/js/-/user/token/{token}").status_code == 200
    assert http.get("/npm/js/-/whoami").status_code == 401


def test_nobody_reads_or_writes_without_the_right(database: Database) -> None:
    """Anonymous reading only where it is chosen, and not with a wrong token; an auditor only reads."""
    http, nobody, auditor = client(database), client(database, None), client(database, "auditor")
    publish(http)
    publish(http, registry="released")
    assert nobody.get(f"/npm/js/{NAME}").status_code == 401
    assert nobody.get(f"/npm/released/{NAME}").status_code == 200
    assert nobody.get("/npm/js/-/whoami").status_code == 401
    assert put(nobody, document(tarball("b"), "b"), "b", "released").status_code == 401
    assert put(auditor, document(tarball("b"), "b"), "b").status_code == 403
    assert auditor.get(f"/npm/js/{NAME}/-/{NAME}-1.0.0.tgz").status_code == 200
    nobody.headers["Authorization"] = "Bearer cwy_none_none"
    assert nobody.get(f"/npm/released/{NAME}").status_code == 401


def test_kept_pages_are_bounded(database: Database) -> None:
    """The longest unused go first; one of another state is not used."""
    kept = reading.Kept(most=100)
    pages = [reading.Page(bytes(30), bytes(10), str(n)) for n in range(3)]
    for number, page in enumerate(pages):
        kept.put(number, 1, page)
    assert [kept.get(number, 1) for number in range(3)] == [None, *pages[1:]]
    assert kept.get(1, 2) is None
    kept.put(1, 2, pages[0])
    assert kept.get(1, 2) is pages[0]
