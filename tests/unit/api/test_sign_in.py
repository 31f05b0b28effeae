"""From a password to a token of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

FIRST, OWN = "chosen by an administrator", "chosen by dev, in secret"
Client = Callable[..., TestClient]


def sign_in(client: Client, **body: Any) -> Any:
    return client(None).post("/v1/sign-in", json={"name": "dev", **body})


def test_a_first_password_is_changed_for_a_token(client: Client) -> None:
    """The answer holds a token that its owner made; the first password opens nothing any more."""
    client("admin").post("/v1/users/dev/password", json={"password": FIRST})
    refused = sign_in(client, password=FIRST)
    assert refused.status_code == 403
    assert "set by admin" in refused.json()["detail"]
    made = sign_in(client, password=FIRST, new_password=OWN, label="cli")
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert (made.json()["created_by"], made.json()["handed_by"]) == ("dev", "")
    me = client(None).get("/v1/me", headers={"Authorization": f"Bearer {made.json()['token']}"}).json()
    assert me["user"]["name"] == "dev"
    assert sign_in(client, password=FIRST).status_code == 401
    assert sign_in(client, password=OWN).status_code == 201


def test_wrong_passwords_lock(client: Client) -> None:
    """Five wrong tries, and even the right one waits."""
    client("admin").post("/v1/users/dev/password", json={"password": FIRST})
    for _ in range(5):
        assert sign_in(client, password="wrong").status_code == 401
    locked = sign_in(client, password=FIRST, new_password=OWN)
    assert locked.status_code == 401
    assert "too many" in locked.json()["detail"]
    assert "Try again after" in locked.json()["todo"]
