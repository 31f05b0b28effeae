"""Repositories over HTTP: seen by whoever reads the platform, given secrets by whoever may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from answers import Held

from clearway import access, catalog, source, workflow
from clearway.config import FakeCipher
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Database

PLATFORM = """
{kind: Team, name: store}
---
{kind: Environment, name: prod, type: production, order: 1}
---
{kind: Route, name: standard, environments: [prod]}
---
{kind: Repository, name: shop-code, location: "https://git.example/shop.git", forge: github}
---
{kind: Service, name: shop, team: store, repository: shop-code, route: standard}
---
{kind: Service, name: cart, team: store, repository: /srv/cart.git, route: standard}
"""


class Started:
    """Keeps which flows were asked for."""

    def __init__(self) -> None:
        self.flows: list[tuple[str, dict[str, Any]]] = []

    def enqueue(self, uow: object, flow: str, key: str, args: dict[str, Any]) -> None:
        self.flows.append((flow, args))


@pytest.fixture
def started(database: Database) -> Started:
    found = Started()
    database.tools |= {workflow.Starter: found, source.Cipher: FakeCipher()}
    with database.begin() as uow:
        docs = [doc for doc, _ in load_documents(PLATFORM, "platform.yaml", by_kind(catalog.KINDS))]
        catalog.apply(uow, SYSTEM, docs)
        access.apply(uow, SYSTEM, [access.UserDocument(name="rel", roles=["release-manager"])])
    return found


def test_every_repository_is_listed_with_its_services(client: Callable[..., Held], started: Started) -> None:
    """Declared ones and those that services have of their own, and how far each is known."""
    found = client("vic").get("/v1/repositories").json()["items"]
    assert [(each["name"], each["services"], each["health"]) for each in found] == [
        ("cart", ["cart"], "not followed"),
        ("shop-code", ["shop"], "not fetched yet"),
    ]
    one = client("vic").get("/v1/repositories/shop-code").json()
    assert one["poll_s"] == 300
    assert client("vic").get("/v1/repositories/none").status_code == 404
    assert client("nobody").get("/v1/repositories").status_code == 403


def test_fetching_is_asked_for_by_those_who_build(client: Callable[..., Held], started: Started) -> None:
    """A viewer may not, and what nobody declared cannot be followed."""
    assert client("vic").post("/v1/repositories/shop-code/sync", json={}).status_code == 403
    assert client("dev").post("/v1/repositories/shop-code/sync", json={}).status_code == 202
    assert started.flows == [("source.follow", {"repository": "shop-code"})]
    refused = client("dev").post("/v1/repositories/cart/sync", json={})
    assert refused.status_code == 409
    assert "kind Repository" in refused.text


def test_credentials_are_set_seen_and_removed_without_their_words(
    client: Callable[..., Held], started: Started
) -> None:
    """What was sealed comes back in no answer; who may not set secrets does not even hear of them."""
    admin, place = client("admin"), "/v1/repositories/shop-code/credentials"
    made = admin.put(f"{place}/password", json={"value": "tok-en-one", "username": "reader"})
    assert made.status_code == 200
    assert made.json()["host"] == "https://git.example"
    admin.put(f"{place}/webhook", json={"value": "a-webhook-secret-of-many-bytes"}).raise_for_status()
    listed = admin.get(place)
    assert [(each["kind"], each["version"]) for each in listed.json()["items"]] == [
        ("password", 1),
        ("webhook", 1),
    ]
    assert "tok-en" not in made.text + listed.text
    assert client("dev").get(place).status_code == 403
    assert client("dev").put(f"{place}/webhook", json={"value": "x" * 20}).status_code == 403
    gone = admin.post(f"{place}/password/remove", json={})
    assert [each["kind"] for each in gone.json()["items"]] == ["webhook"]
    assert admin.post(f"{place}/password/remove", json={}).status_code == 404
    assert admin.put(f"{place}/ssh-key", json={"value": "no key"}).status_code == 422
    assert admin.put(f"{place}/other", json={"value": "x" * 20}).status_code == 422


def test_moves_come_in_pages(client: Callable[..., Held], database: Database, started: Started) -> None:
    """Newest first, as many as asked for."""
    from clearway.source import store
    from clearway.source.refs import RefMove

    with database.begin() as uow:
        for number in range(5):
            move = RefMove(f"refs/heads/b{number}", None, "a" * 40, "created")
            store.save_moves(uow, "shop-code", [move], {}, first=False)
    vic = client("vic")
    first = vic.get("/v1/repositories/shop-code/moves?limit=3").json()
    assert [each["ref"][-2:] for each in first["items"]] == ["b4", "b3", "b2"]
    rest = vic.get(f"/v1/repositories/shop-code/moves?limit=3&cursor={first['next_cursor']}").json()
    assert [each["ref"][-2:] for each in rest["items"]] == ["b1", "b0"]
    assert vic.get("/v1/repositories/none/moves").status_code == 404


def test_deliveries_are_paged(client: Callable[..., Held], database: Database, started: Started) -> None:
    """What forges told is seen by whoever reads the platform, newest first, with what is wrong with it."""
    with database.begin() as uow:
        for number in range(3):
            told = source.Received(
                repository="shop-code",
                forge="github",
                delivery_id=f"delivery-{number}",
                event="push",
                digest="sha256:" + str(number) * 64,
                about="push to main",
                fetch=True,
            )
            source.receive(uow, told)
        source.note_refused(uow, "shop-code", "github", "not signed")
    page = client("vic").get("/v1/repositories/shop-code/deliveries?limit=2").json()
    assert [(each["outcome"], each["delivery_id"]) for each in page["items"]] == [
        ("unsigned", "(refused)"),
        ("fetch", "delivery-2"),
    ]
    rest = client("vic").get(f"/v1/repositories/shop-code/deliveries?cursor={page['next_cursor']}").json()
    assert [each["delivery_id"] for each in rest["items"]] == ["delivery-1", "delivery-0"]
    assert client("vic").get("/v1/repositories/none/deliveries").status_code == 404
    assert client("nobody").get("/v1/repositories/shop-code/deliveries").status_code == 403
    assert started.flows == [("source.follow", {"repository": "shop-code"})]
