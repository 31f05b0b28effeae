"""Applying documents of several rooms: one diff, one transaction, every problem at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from clearway import ledger
from clearway.api import platform
from clearway.storage import Database

GOOD = {
    "people.yaml": "kind: User\nname: rita\nroles: [{role: release-manager}]\n",
    "shop.yaml": (
        "kind: Team\nname: storefront\nmembers: [dev]\n---\n"
        "kind: Environment\nname: dev\norder: 1\npromotion: automatic\n---\n"
        "kind: Route\nname: standard\nenvironments: [dev]\n---\n"
        "kind: Service\nname: shop\nteam: storefront\nrepository: ${REPO}\nroute: standard\n"
    ),
}


def apply(client: Any, files: dict[str, str], query: str = "", **more: Any) -> Any:
    return client.post(f"/v1/apply{query}", json={"files": files, "variables": {"REPO": "/tmp/shop"}, **more})


def test_no_two_rooms_claim_one_kind() -> None:
    """A document belongs to one room."""
    assert max(Counter(kind for room in platform.ROOMS for kind in room.KINDS).values()) == 1


def test_a_dry_run_shows_what_applying_does(client: Callable[..., Any], database: Database) -> None:
    """The diff before is the diff of doing it, nothing happens before, and twice changes nothing."""
    admin = client()
    shown = apply(admin, GOOD, "?dry_run=true").json()
    assert shown["dry_run"] is True
    assert admin.get("/v1/teams").json()["items"] == []
    with database.read() as uow:
        assert not ledger.entries(uow, subject="team:storefront").items
    done = apply(admin, GOOD).json()
    assert done["diffs"] == shown["diffs"]
    assert {(row["kind"], row["action"]) for row in done["diffs"]} == {
        (kind, "create") for kind in ("User", "Team", "Environment", "Route", "Service")
    }
    again = apply(admin, GOOD).json()["diffs"]
    assert {row["action"] for row in again} == {"none"}
    assert admin.get("/v1/services/shop").json()["repository"] == "/tmp/shop"
    assert [each["name"] for each in admin.get("/v1/environments").json()["items"]] == ["dev"]


def test_every_problem_of_every_file_is_reported(client: Callable[..., Any]) -> None:
    """Two broken files and a good one: both are named with their lines, and nothing is changed."""
    admin = client()
    files = {
        **GOOD,
        "b.yaml": "kind: Team\nname: x\nmembrs: []\n",
        "c.yaml": "kind: Environment\nname: e\norder: many\n",
    }
    answer = apply(admin, files)
    assert answer.status_code == 422
    places = {(each["file"], each["line"]) for each in answer.json()["problems"]}
    assert places == {("b.yaml", 3), ("c.yaml", 3)}
    assert admin.get("/v1/teams").json()["items"] == []


def test_problems_between_documents_of_several_rooms_are_reported_together(
    client: Callable[..., Any],
) -> None:
    """A role for nobody and a route to nowhere: one answer names both."""
    files = {
        "a.yaml": "kind: Role\nname: r\nrole: viewer\nusers: [ghost]\n",
        "b.yaml": "kind: Route\nname: r\nenvironments: [nowhere]\n",
    }
    text = apply(client(), files).text
    assert "ghost" in text
    assert "nowhere" in text


def test_a_late_failure_undoes_everything(
    client: Callable[..., Any], database: Database, monkeypatch: Any
) -> None:
    """When the last room fails, what the first rooms did is gone."""

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("pulled the plug")

    last = platform.ROOMS[-1]
    monkeypatch.setattr(last, "apply", fail)
    assert apply(client(), GOOD).status_code == 500
    monkeypatch.undo()
    with database.read() as uow:
        assert not ledger.entries(uow, subject="user:rita").items


def test_only_administrators_apply(client: Callable[..., Any]) -> None:
    """A dry run takes the same permission."""
    assert apply(client("dev"), GOOD).status_code == 403
    assert apply(client("dev"), GOOD, "?dry_run=true").status_code == 403


def test_yaml_bombs_and_nothing_at_all_are_refused(client: Callable[..., Any]) -> None:
    """One clear error, quickly."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    answer = apply(client(), {"bomb.yaml": bomb})
    assert answer.status_code == 422
    assert answer.json()["where"].startswith("bomb.yaml:")
    assert apply(client(), {}).status_code == 422


@pytest.mark.parametrize(
    ("document", "line", "named"),
    [
        ("kind: Role\nname: r\nrole: approver\nenvironments: [dev, dve]\n", 1, "Environment dve"),
        ("# people\nkind: User\nname: u\nroles: [{role: developer, environments: [prd]}]\n", 2, "prd"),
        ("kind: Calendar\nname: c\nzone: UTC\napplies_to: {environments: [prd]}\n", 1, "Environment prd"),
        ("kind: Calendar\nname: c\nzone: UTC\napplies_to: {services: [shp]}\n", 1, "Service shp"),
        ("kind: Calendar\nname: c\nzone: UTC\napplies_to: {teams: [storfront]}\n", 1, "Team storfront"),
        ("kind: Config\nservice: shop\nenvironment: dve\nvalues: {A: b}\n", 1, "Environment dve"),
    ],
)
def test_a_name_that_nothing_has_is_an_error(
    client: Callable[..., Any], document: str, line: int, named: str
) -> None:
    """A role or a freeze for a mistyped place would silently do nothing: refused, with file and line."""
    answer = apply(client(), {**GOOD, "z.yaml": document}, "?dry_run=true")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["where"] == f"z.yaml:{line}"
    assert named in problem["detail"]
    assert "a declared" in problem["expected"]
    assert client().get("/v1/teams").json()["items"] == []


def test_names_may_be_declared_beside_their_use(client: Callable[..., Any]) -> None:
    """One apply may bring an environment and a role for it."""
    role = "kind: Role\nname: r\nrole: approver\nenvironments: [dev]\n"
    assert apply(client(), {**GOOD, "a.yaml": role}).status_code == 200


@pytest.mark.parametrize("text", ["", "# nothing but a remark\n"])
def test_a_file_without_a_document_is_an_error(client: Callable[..., Any], text: str) -> None:
    """An empty file is a mistake, not a platform without anything."""
    answer = apply(client(), {**GOOD, "empty.yaml": text})
    assert answer.status_code == 422
    assert answer.json()["where"] == "empty.yaml:1"
    assert client().get("/v1/teams").json()["items"] == []
