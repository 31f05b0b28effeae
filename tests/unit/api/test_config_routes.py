"""Configuration over HTTP: layers, secrets that stay secret, races that are seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clearway.storage import Database

ENVIRONMENTS = "kind: Environment\nname: dev\norder: 1\n---\nkind: Environment\nname: prod\norder: 2\n"


@pytest.fixture
def admin(client: Callable[..., Any]) -> Any:
    admin = client()
    admin.post("/v1/apply", json={"files": {"e.yaml": ENVIRONMENTS}}).raise_for_status()
    return admin


def test_a_value_is_set_read_and_removed(admin: Any) -> None:
    """Each entry says which layer it comes from; null removes."""
    found = admin.put(
        "/v1/config/*/prod", json={"key": "GREETING", "value": "Hi", "reason": "why not"}
    ).json()
    (entry,) = found["entries"]
    assert (entry["key"], entry["value"], entry["origin"], entry["actor"]) == (
        "GREETING",
        "Hi",
        "environment",
        "admin",
    )
    assert admin.get("/v1/config/*/dev").json()["entries"] == []
    assert admin.put("/v1/config/*/prod", json={"key": "GREETING", "value": None}).json()["entries"] == []
    assert admin.put("/v1/config/*/prod", json={"key": "X", "value": [1]}).status_code == 422


def test_removing_what_is_not_set_is_no_silent_success(admin: Any) -> None:
    """A misspelt key is refused, and the layer's own keys are named; other layers' are not."""
    admin.put("/v1/config/*/prod", json={"key": "GREETING", "value": "Hi"}).raise_for_status()
    refused = admin.put("/v1/config/*/prod", json={"key": "GREETIG", "value": None})
    assert refused.status_code == 404
    assert refused.json()["detail"] == "this layer sets no value GREETIG"
    assert refused.json()["expected"] == "one of GREETING"
    none = admin.put("/v1/config/*/dev", json={"key": "GREETING", "value": None})
    assert none.json()["expected"] == "a key that this layer sets; it sets none"


def test_a_secret_is_never_shown(admin: Any, database: Database) -> None:
    """Neither the answer, nor a read, nor the ledger, nor a kept answer holds what it says."""
    secret = "s3cr3t-and-long"
    answer = admin.put(
        "/v1/config/*/prod/secret", json={"key": "API_KEY", "value": secret}, headers={"Idempotency-Key": "k"}
    )
    assert answer.json()["version"] == 1
    everything = [answer, admin.get("/v1/config/*/prod"), admin.get("/v1/ledger/entries?limit=500")]
    assert all(secret not in each.text for each in everything)
    with database.read() as uow:
        rows = uow.connection.exec_driver_sql("select * from api_idempotency").all()
    assert rows
    assert secret not in str(rows)


def test_a_race_is_seen(admin: Any) -> None:
    """If-Match with the tag of an older reading is refused, and nothing is changed."""
    tag = admin.get("/v1/config/*/prod").headers["etag"]
    first = admin.put("/v1/config/*/prod", json={"key": "A", "value": 1}, headers={"If-Match": tag})
    assert first.status_code == 200
    late = admin.put("/v1/config/*/prod", json={"key": "A", "value": 2}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["title"]) == (412, "It changed meanwhile")
    assert admin.get("/v1/config/*/prod").json()["entries"][0]["value"] == 1
    again = admin.put(
        "/v1/config/*/prod", json={"key": "A", "value": 2}, headers={"If-Match": late.headers["etag"]}
    )
    assert again.status_code == 200


def test_who_may_only_read_cannot_write(admin: Any, client: Callable[..., Any]) -> None:
    """The room's own check holds behind the guard's."""
    assert client("vic").put("/v1/config/*/prod", json={"key": "A", "value": 1}).status_code == 403
