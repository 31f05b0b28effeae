"""Registries over HTTP: what is in them, and promoting."""

from __future__ import annotations

from typing import Any

import pytest
from house import ROOT, House

from clearway import artifacts, catalog
from clearway.storage import Blobs

PLATFORM = """
{kind: Registry, name: tools, format: generic}
---
{kind: Registry, name: released, format: generic, maturity: release}
---
{kind: Registry, name: proven, format: generic, maturity: release, requires: [sbom]}
---
{kind: Registry, name: closed, format: generic, readers: [qa]}
"""


@pytest.fixture
def filled(house: House) -> House:
    house.apply(PLATFORM)
    with house.database.begin() as uow:
        for version in ("1", "2"):
            artifacts.add_file(
                uow,
                ROOT,
                catalog.registry(uow, "tools"),
                package="jq",
                version=version,
                path=f"jq/{version}/jq",
                blob=uow.tool(Blobs).put([version.encode() * 10]),
            )
        artifacts.set_tag(uow, ROOT, catalog.registry(uow, "tools"), "jq", "latest", "2")
    return house


def test_what_is_in_them(filled: House, house_client: Any) -> None:
    """Registries with their usage, packages, versions with tags, all that belongs to a version."""
    http = house_client("vera")
    found = {each["name"]: each for each in http.get("/v1/registries").json()["items"]}
    assert found["tools"]["usage"] | {"changed_at": 0} == {
        "packages": 1, "files": 2, "size": 20, "changed_at": 0,
    }  # fmt: skip
    assert found["released"]["usage"]["changed_at"] is None
    assert http.get("/v1/registries/tools").json() == found["tools"]
    assert http.get("/v1/registries/tools/packages?like=j").json()["items"] == ["jq"]
    versions = http.get("/v1/registries/tools/versions?package=jq").json()
    assert [each["version"] for each in versions["items"]] == ["2", "1"]
    assert versions["tags"] == {"latest": "2"}
    closure = http.get("/v1/registries/tools/closure?package=jq&version=latest&to=proven").json()
    assert [each["path"] for each in closure["files"]] == ["jq/2/jq"]
    assert closure["missing"] == ["sbom"]


def test_promoting_takes_the_permission_and_a_reason(filled: House, house_client: Any) -> None:
    """Release managers promote; evidence that is asked for and missing is told, and nothing is done."""
    body = {"package": "jq", "version": "2", "to": "released", "reason": "tested"}
    assert house_client("quin").post("/v1/registries/tools/promotions", json=body).status_code == 403
    http = house_client("rita")
    assert http.post("/v1/registries/tools/promotions", json=body | {"reason": ""}).status_code == 422
    done = http.post("/v1/registries/tools/promotions", json=body)
    assert (done.status_code, done.json()["size"]) == (200, 10)
    lacking = http.post("/v1/registries/tools/promotions", json=body | {"to": "proven"})
    assert (lacking.status_code, lacking.json()["missing"]) == (403, ["sbom"])
    assert http.post("/v1/registries/tools/promotions", json=body | {"to": "none"}).status_code == 404
    assert http.get("/v1/registries/released/packages").json()["items"] == ["jq"]


def test_what_is_closed_shows_nothing(filled: House, house_client: Any) -> None:
    """Whoever a registry does not name learns none of its packages."""
    for path in ("packages", "versions?package=jq", "closure?package=jq&version=1"):
        assert house_client("vera").get(f"/v1/registries/closed/{path}").status_code == 403
    assert house_client("quin").get("/v1/registries/closed/packages").status_code == 200
