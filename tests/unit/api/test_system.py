"""Health, figures, OpenAPI, the schema, and the live stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import httpx
import jsonschema
import pytest
from servers import serving

from clearway import access, artifacts, catalog, ledger
from clearway.api import create_app
from clearway.api.ask import Ask
from clearway.api.routes.events import Tail, _stream
from clearway.kernel import SYSTEM, Actor
from clearway.storage import Blobs, Database


def test_health_is_ok_with_a_worker(client: Callable[..., Any], worker: None) -> None:
    """Everything runs: 200 and ok."""
    answer = client(None).get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_health_says_what_is_wrong(
    client: Callable[..., Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a worker it is degraded; with a broken database it fails; the part is named."""
    answer = client(None).get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "no worker" in answer.json()["checks"]["worker"]["message"]

    def fail() -> Any:
        raise OSError("secret path")

    monkeypatch.setattr(database, "read", fail)
    answer = client(None).get("/healthz")
    assert (answer.status_code, answer.json()["checks"]["database"]["status"]) == (503, "failing")
    assert "secret path" not in answer.text


def test_figures_count_requests_by_route(client: Callable[..., Any]) -> None:
    """Labels are routes, not addresses, so that nobody can fill the memory with them."""
    admin = client()
    admin.get("/v1/services/one")
    admin.get("/v1/services/two")
    admin.get("/v1/nothing/at/all")
    text = admin.get("/metrics").text
    assert 'clearway_http_requests_total{method="GET",route="/v1/services/{name}",status="404"} 2.0' in text
    assert 'route="none",status="404"} 1.0' in text
    assert "/v1/services/one" not in text


def test_openapi_names_the_permission_of_every_operation(client: Callable[..., Any]) -> None:
    """Generators see the token, people see the permission, errors have their form."""
    document = client(None).get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            public = path in ("/healthz", "/v1/schema/clearway.json", "/v1/sign-in", "/v1/attestations")
            assert public or operation["x-clearway-permission"] in access.ACTIONS
            assert operation["summary"]
            assert "default" in operation["responses"]
    ids = [operation["operationId"] for each in document["paths"].values() for operation in each.values()]
    assert len(ids) == len(set(ids))


def test_the_schema_of_clearway_yaml_is_public(client: Callable[..., Any]) -> None:
    """Editors fetch it without a token, and again only when it changed."""
    nobody = client(None)
    answer = nobody.get("/v1/schema/clearway.json")
    assert answer.json()["title"] == "clearway.yaml"
    again = nobody.get("/v1/schema/clearway.json", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


class _Stream:
    """Reads the live stream of one reader."""

    def __init__(self, database: Database, bearer: str, seen: int) -> None:
        with database.read() as uow:
            principal = access.authenticate(uow, bearer)
        ask = Ask(database, principal, bearer, None)  # type: ignore[arg-type]
        self._events = _stream(ask, Tail(database), seen)

    async def next(self) -> dict[str, Any]:
        """The next entry."""
        while True:
            text = await asyncio.wait_for(anext(self._events), 20)
            fields = dict(
                line.split(": ", 1) for line in text.strip().splitlines() if not line.startswith(":")
            )
            if "data" in fields:
                assert int(fields["id"]) == json.loads(fields["data"])["index"]
                return dict(json.loads(fields["data"]))

    async def ends(self) -> bool:
        """Whether the stream ends."""
        try:
            while True:
                await asyncio.wait_for(anext(self._events), 20)
        except StopAsyncIteration:
            return True


def test_the_stream_follows_the_ledger(database: Database, token: Callable[..., str]) -> None:
    """Entries come in order, missed ones first, new ones as they happen."""

    async def scenario() -> None:
        stream = _Stream(database, token("admin"), 2)
        assert (await stream.next())["index"] == 3
        with database.read() as uow:
            last = ledger.entries(uow, newest_first=True, limit=1).items[0].index
        for index in range(4, last + 1):
            assert (await stream.next())["index"] == index
        with database.begin() as uow:
            ledger.append(uow, SYSTEM, "build.started", "build:bld_1")
        assert (await stream.next())["action"] == "build.started"

    asyncio.run(scenario())


def test_the_stream_shows_only_what_the_reader_may_see(
    client: Callable[..., Any], database: Database, token: Callable[..., str]
) -> None:
    """Without incident:read no incidents; users are for those who read the ledger."""
    bearer = token("vic", "platform:read", "build:read")

    async def scenario() -> None:
        stream = _Stream(database, bearer, -1)
        with database.begin() as uow:
            ledger.append(uow, Actor("x"), "incident.opened", "incident:inc_1", data={"environment": "prod"})
            ledger.append(uow, Actor("x"), "user.created", "user:eve")
            ledger.append(uow, Actor("x"), "build.started", "build:bld_1")
        assert (await stream.next())["subject"] == "build:bld_1"

    asyncio.run(scenario())


def test_the_stream_ends_when_the_token_is_revoked(database: Database, token: Callable[..., str]) -> None:
    """A revoked token sees nothing of what happens after."""
    bearer = token("vic")

    async def scenario() -> None:
        stream = _Stream(database, bearer, 0)
        with database.begin() as uow:
            found = access.authenticate(uow, bearer)
            access.revoke_token(uow, Actor("admin"), found.token_id or "")
        assert await stream.ends()

    asyncio.run(scenario())


def test_the_stream_resumes_over_http(database: Database, settings: Any, token: Callable[..., str]) -> None:
    """A real client gets events as they happen, and with Last-Event-ID what it missed."""
    headers = {"Authorization": f"Bearer {token('admin')}"}
    with (
        serving(create_app(database, settings)) as address,
        httpx.Client(base_url=address, headers=headers, timeout=20) as http,
    ):
        with http.stream("GET", "/v1/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            assert next(lines).startswith("retry:")
            with database.begin() as uow:
                first = ledger.append(uow, SYSTEM, "build.started", "build:bld_1")
            assert "event: build.started" in list(islice(lines, 4))
        with database.begin() as uow:
            ledger.append(uow, SYSTEM, "build.succeeded", "build:bld_1")
        again = {"Last-Event-ID": str(first.index)}
        with http.stream("GET", "/v1/events", headers=again) as stream:
            assert "event: build.succeeded" in list(islice(stream.iter_lines(), 5))
        assert http.get("/v1/events", headers={"Last-Event-ID": "x"}).status_code == 422


def test_answers_have_the_form_that_openapi_promises(client: Callable[..., Any], database: Database) -> None:
    """What is described is what is sent; a date is a date, a span is what people write."""
    admin = client()
    platform = (
        "kind: Team\nname: t\n---\nkind: Environment\nname: e\norder: 1\nsoak: 90s\n---\n"
        "kind: Route\nname: r\nenvironments: [e]\n---\n"
        "kind: Service\nname: s\nteam: t\nroute: r\nrepository: /x\n---\n"
        "kind: Registry\nname: g\nformat: generic\n"
    )
    admin.post("/v1/apply", json={"files": {"p.yaml": platform}}).raise_for_status()
    with database.begin() as uow:
        held = {"package": "jq", "version": "1", "path": "jq/1/jq"}
        blob = uow.tool(Blobs).put([b"x"])
        artifacts.add_file(uow, SYSTEM, catalog.registry(uow, "g"), blob=blob, **held)
    document = admin.get("/openapi.json").json()
    checked = 0
    names = {"services": "s", "environments": "e", "users": "admin", "repositories": "s", "registries": "g"}
    query = {"proof": "?index=0", "consistency": "?old=1"}
    query |= {"versions": "?package=jq", "closure": "?package=jq&version=1"}
    for path, operations in document["paths"].items():
        answer = operations.get("get", {}).get("responses", {}).get("200", {})
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        address = path.replace("{name}", names.get(path.partition("/{name}")[0].rpartition("/")[2], ""))
        if not schema or "$ref" not in schema or "{" in address:
            continue
        address += query.get(path.rpartition("/")[2], "")
        found = admin.get(address)
        assert found.status_code == 200, (address, found.text)
        whole = {**schema, "components": document["components"]}
        jsonschema.validate(found.json(), whole, jsonschema.Draft202012Validator)
        checked += 1
    assert checked >= 20
