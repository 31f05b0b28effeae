"""Reports over HTTP: what a build's tests left, as data and as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from answers import Held
from house import House
from servers import Settings

from clearway import access, build
from clearway.api import create_app
from clearway.build.reports.kept import replace_reports
from clearway.kernel import Actor
from clearway.storage import Blobs, FileBlobs


@pytest.fixture
def dana(house: House, tmp_path: Path) -> Iterator[Held]:
    house.database.tools[build.Workshop] = build.Workshop(tmp_path / "builds")
    house.database.tools[Blobs] = FileBlobs(tmp_path / "blobs")
    app = create_app(house.database, Settings(tmp_path))
    with house.database.begin() as uow:
        token = access.create_token(uow, Actor("dana"), environments=None)
    with Held(app, headers={"Authorization": f"Bearer {token.secret}"}) as client:
        yield client


def test_reports_are_told_and_given_as_downloads(house: House, dana: Held) -> None:
    """What somebody's build wrote is never shown as a page of ours; what could not be read is told too."""
    made = dana.post("/v1/builds", json={"service": "shop", "ref": "main"}).json()["id"]
    address = f"/v1/builds/{made}/reports"
    assert dana.get(address).json() == {"items": []}
    with house.database.begin() as uow:
        blob = uow.tool(Blobs).put([b"<script>alert(1)</script>"])
        found = [
            build.Report("junit", "reports/unit.xml", blob.digest, blob.size, {"passed": 1}),
            build.Report("sarif", "x.sarif", "", 0, {}, "it is no JSON"),
        ]
        replace_reports(uow, made, ["junit", "sarif"], found)
    items = dana.get(address).json()["items"]
    assert [(each["kind"], each["name"], each["error"]) for each in items] == [
        ("junit", "reports/unit.xml", None),
        ("sarif", "x.sarif", "it is no JSON"),
    ]
    answer = dana.get(f"{address}/{blob.digest}")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_only_a_build_s_own_reports_are_given(house: House, dana: Held) -> None:
    """Its address opens no other bytes of the store."""
    made = dana.post("/v1/builds", json={"service": "shop", "ref": "main"}).json()["id"]
    with house.database.begin() as uow:
        blob = uow.tool(Blobs).put([b"somebody else's"])
    assert dana.get(f"/v1/builds/{made}/reports/{blob.digest}").status_code == 404
    assert dana.get("/v1/builds/bld_none/reports").status_code == 404
