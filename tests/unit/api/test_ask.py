"""Writes happen once; reads are cheap to repeat; pages go on where they stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clearway import access, ledger
from clearway.api.ask import KEPT_FOR
from clearway.api.store import idempotency_table
from clearway.kernel import SYSTEM
from clearway.storage import Database

TEAMS = "".join(f"kind: Team\nname: team-{number}\n---\n" for number in range(7))


def apply(client: Any, text: str, **headers: str) -> Any:
    return client.post("/v1/apply", json={"files": {"platform.yaml": text}}, headers=headers)


def count(database: Database) -> int:
    with database.read() as uow:
        return len(ledger.entries(uow, limit=1000).items)


def test_the_same_key_writes_once_and_answers_the_same(
    client: Callable[..., Any], database: Database
) -> None:
    """Sent twice with one key, a write happens once, and the second answer equals the first."""
    admin = client()
    first = apply(admin, TEAMS, **{"Idempotency-Key": "k1"})
    after = count(database)
    again = apply(admin, TEAMS, **{"Idempotency-Key": "k1"})
    assert first.json() == again.json()
    assert first.json()["diffs"][0]["action"] == "create"
    assert again.headers["idempotency-replayed"] == "true"
    assert count(database) == after
    assert apply(admin, TEAMS).json()["diffs"][0]["action"] == "none"


def test_the_same_key_for_another_request_is_a_conflict(client: Callable[..., Any]) -> None:
    """Another body or another address under a used key is refused, and changes nothing."""
    admin = client()
    apply(admin, TEAMS, **{"Idempotency-Key": "k1"})
    other = apply(admin, "kind: Team\nname: other\n", **{"Idempotency-Key": "k1"})
    assert other.status_code == 409
    assert "Idempotency-Key" in other.json()["detail"]
    assert "other" not in admin.get("/v1/teams").text
    assert admin.post("/v1/tokens", json={}, headers={"Idempotency-Key": "k1"}).status_code == 409


def test_keys_belong_to_their_actor(client: Callable[..., Any]) -> None:
    """Somebody else's key says nothing to me."""
    headers = {"Idempotency-Key": "same"}
    assert client("dev").post("/v1/tokens", json={}, headers=headers).json()["user"] == "dev"
    assert client("vic").post("/v1/tokens", json={}, headers=headers).json()["user"] == "vic"


def test_a_failed_write_keeps_nothing(client: Callable[..., Any]) -> None:
    """After an error the same key may be used to try again."""
    admin = client()
    assert apply(admin, "kind: Team\n", **{"Idempotency-Key": "k1"}).status_code == 422
    assert apply(admin, TEAMS, **{"Idempotency-Key": "k1"}).status_code == 200


def test_secrets_are_not_kept(client: Callable[..., Any], database: Database) -> None:
    """A token's secret is answered once; the key then prevents a second token and tells nothing."""
    dev = client("dev")
    made = dev.post("/v1/tokens", json={"name": "ci"}, headers={"Idempotency-Key": "t1"})
    assert made.status_code == 201
    secret = made.json()["token"]
    again = dev.post("/v1/tokens", json={"name": "ci"}, headers={"Idempotency-Key": "t1"})
    assert again.status_code == 409
    with database.read() as uow:
        kept = uow.connection.execute(sa.select(idempotency_table)).all()
        assert len(access.list_tokens(uow, access.TokenActor("dev", actions=access.ACTIONS))) == 2
    assert secret not in str(kept)
    assert secret.rpartition("_")[2] not in str(kept)


def test_equal_requests_at_once_write_once(client: Callable[..., Any], database: Database) -> None:
    """Ten at the same time under one key: one token is made, everyone else is told so."""
    dev = client("dev")

    def send(_: int) -> int:
        return int(dev.post("/v1/tokens", json={}, headers={"Idempotency-Key": "t1"}).status_code)

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(send, range(10)))
    assert statuses == [201] + [409] * 9


def test_kept_answers_are_dropped_after_a_day(client: Callable[..., Any], database: Database) -> None:
    """The table does not grow for ever."""
    admin = client()
    apply(admin, TEAMS, **{"Idempotency-Key": "old"})
    with database.begin() as uow:
        past = uow.now() - KEPT_FOR - timedelta(seconds=1)
        uow.connection.execute(sa.update(idempotency_table).values(at=past))
    apply(admin, TEAMS, **{"Idempotency-Key": "new"})
    with database.read() as uow:
        assert uow.connection.execute(sa.select(idempotency_table.c.key)).scalars().all() == ["new"]


@pytest.mark.parametrize("key", ["", "with space", "x" * 201, "ümlaut"])
def test_a_key_that_is_no_key_is_refused(client: Callable[..., Any], key: str) -> None:
    """Keys are 1 to 200 printable characters."""
    answer = client().post(
        "/v1/apply", json={"files": {"a": TEAMS}}, headers={"Idempotency-Key": key.encode("latin-1")}
    )
    assert answer.status_code == 422


def test_reads_have_etags(client: Callable[..., Any]) -> None:
    """Unchanged things are 304; changed ones are sent again."""
    admin = client()
    apply(admin, TEAMS)
    first = admin.get("/v1/teams")
    tag = first.headers["etag"]
    unchanged = admin.get("/v1/teams", headers={"If-None-Match": f'"zzz", W/{tag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    apply(admin, "kind: Team\nname: another\n")
    assert admin.get("/v1/teams", headers={"If-None-Match": tag}).status_code == 200


def test_pages_reach_everything_once(client: Callable[..., Any]) -> None:
    """Following next_cursor or the Link header yields every item once, in order."""
    admin = client()
    apply(admin, TEAMS)
    names: list[str] = []
    address = "/v1/teams?limit=3"
    while address:
        answer = admin.get(address)
        names += [each["name"] for each in answer.json()["items"]]
        link = answer.links.get("next")
        assert (link is None) is (answer.json()["next_cursor"] is None)
        address = link["url"] if link else ""
    assert names == [f"team-{number}" for number in range(7)]
    entries = admin.get("/v1/ledger/entries?limit=5").json()
    more = admin.get("/v1/ledger/entries", params={"limit": 5, "cursor": entries["next_cursor"]}).json()
    assert [each["index"] for each in entries["items"] + more["items"]] == list(range(10))
    assert admin.get("/v1/teams?cursor=nonsense").status_code == 422


def test_using_a_token_is_noted(client: Callable[..., Any]) -> None:
    """Reads leave a trace of when a token was last used, soon after."""
    dev = client("dev")
    dev.get("/v1/teams")
    deadline = time.monotonic() + 20
    while dev.get("/v1/tokens").json()["items"][0]["last_used_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_reads_do_not_wait_for_writers(client: Callable[..., Any], database: Database) -> None:
    """While somebody writes, everybody reads."""
    dev = client("dev")
    with database.begin() as uow:
        ledger.append(uow, SYSTEM, "test.waits", "test:1")
        answer = dev.get("/v1/teams")
    assert answer.status_code == 200
