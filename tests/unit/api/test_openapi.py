"""The OpenAPI document says everything that a client needs, of every route; and what it says is true."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from answers import Document, operations
from jsonschema import Draft202012Validator

from clearway import access
from clearway.api import create_app, described
from clearway.storage import Database


class _Nowhere:
    home = Path("/nonexistent")
    url = "http://clearway.example"


_DATABASE = Database("sqlite:////nonexistent/x.db", lambda: None)  # type: ignore[arg-type,return-value]
DOCUMENT = create_app(_DATABASE, _Nowhere()).openapi()
OPERATIONS = list(operations(DOCUMENT))
each_operation = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[f"{method} {path}" for method, path, _ in OPERATIONS]
)
SCHEMAS = DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    """Every $ref in a part of the document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_who_asks_while_the_document_is_being_made_gets_the_whole_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several ask at once: everyone gets the complete document, which is made once."""
    making, complete = Event(), described._complete

    def slowly(document: dict[str, Any]) -> dict[str, Any]:
        making.set()
        time.sleep(0.2)  # long enough for the second to ask
        return complete(document)

    monkeypatch.setattr(described, "_complete", slowly)
    app = create_app(_DATABASE, _Nowhere())

    def ask(wait: bool) -> tuple[bool, int]:
        assert not wait or making.wait(30)
        document = app.openapi()
        return "responses" in document["components"], id(document)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, (False, True))
    assert first == second
    assert first[0]


@each_operation
def test_every_route_says_what_it_is_and_what_it_needs(method: str, path: str, operation: Any) -> None:
    """A summary in a sentence, a tag, and the permission in words and for programs."""
    assert re.fullmatch(r"[A-Z0-9].{7,119}", operation["summary"]), operation["summary"]
    assert len(operation["tags"]) == 1
    permission = operation.get("x-clearway-permission")
    if permission is None:
        assert "needs no token" in operation["description"]
    else:
        assert permission in access.ACTIONS
        assert f"`{permission}`" in operation["description"]
        assert operation["security"] == [{"token": []}]
    assert not [name for name in operation if name.startswith("x-") and name != "x-clearway-permission"]


@each_operation
def test_every_answer_with_a_body_has_a_form(method: str, path: str, operation: Any) -> None:
    """JSON has a schema with named fields; other media types say at least whether they are text or bytes."""
    good = {status: each for status, each in operation["responses"].items() if status.startswith("2")}
    assert good
    for status, response in good.items():
        if status == "204":
            assert "content" not in response
            continue
        assert response["content"], status
        for media, content in response["content"].items():
            if media.endswith("/json"):
                assert content["schema"]["$ref"].rpartition("/")[2] in SCHEMAS
            else:
                assert content["schema"], media


# One changes nothing; the other gives a secret, which must never be given a second time.
NOT_KEYED = ("/v1/ledger/verify", "/v1/sign-in")


@each_operation
def test_every_route_documents_its_errors(method: str, path: str, operation: Any) -> None:
    """Who may not, what is not there, what is wrong with the request, and what else may happen."""
    responses = operation["responses"]
    expected = {"default"}
    if "x-clearway-permission" in operation:
        expected |= {"401", "403"}
    if operation.get("requestBody"):
        expected |= {"413", "422"}
    if operation.get("parameters"):
        expected |= {"422"}
    if "{" in path:
        expected |= {"404"}
    if method in ("put", "delete") or (method == "post" and path not in NOT_KEYED):
        expected |= {"409"}
    assert expected <= set(responses)
    for status in set(responses) - {"default"}:
        if int(status) >= 400 and path != "/healthz":
            name = responses[status]["$ref"].rpartition("/")[2]
            content = DOCUMENT["components"]["responses"][name]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["example"]["status"] == int(status)


def test_no_two_routes_have_one_summary() -> None:
    """Whoever reads a list of them can tell them apart."""
    found = [operation["summary"] for _, _, operation in OPERATIONS]
    assert len(found) == len(set(found))


def test_every_field_is_described() -> None:
    """Of every answer and every request; a reference leads somewhere; a schema is one."""
    bare = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, each in schema.get("properties", {}).items()
        if not each.get("description")
    ]
    assert bare == []
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    for reference in references(DOCUMENT):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in DOCUMENT["components"][kind], reference


def test_examples_are_of_their_own_form() -> None:
    """What is shown as an example would be accepted, or could be answered."""
    judge = Document(DOCUMENT)
    for name, schema in SCHEMAS.items():
        for example in schema.get("examples", ()):
            found = Draft202012Validator({**schema, "components": judge.components}).iter_errors(example)
            assert [each.message for each in found] == [], name
        for field, each in schema.get("properties", {}).items():
            for example in each.get("examples", ()):
                found = Draft202012Validator({**each, "components": judge.components}).iter_errors(example)
                assert [wrong.message for wrong in found] == [], f"{name}.{field}"


def test_a_write_takes_a_key_and_a_decision_takes_what_was_looked_at() -> None:
    """Idempotency-Key and If-Match are in the document where they are in the server."""
    for method, path, operation in OPERATIONS:
        headers = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}
        writes = method in ("post", "put", "delete") and path not in NOT_KEYED
        assert ("Idempotency-Key" in headers) is writes, path
        assert ("If-Match" in headers) is ("412" in operation["responses"]), path


def test_a_wrong_answer_would_be_noticed() -> None:
    """The judge of the other tests refuses a field too few or too many, a wrong type, a wrong status."""
    judge = Document(DOCUMENT)
    operation = judge.of("get", "/v1/me")
    assert operation

    def problems(status: int = 200, **change: Any) -> list[str]:
        user = {
            "name": "a",
            "account": "person",
            "full_name": "",
            "email": "",
            "aliases": [],
            "groups": [],
            "signing_keys": [],
        }
        user |= {"grants": [], "disabled": False, "has_password": False}
        body: dict[str, Any] = {"user": user, "scopes": ["*"], "token_id": None, **change}
        return judge.problems(operation, status, "application/json", body)

    assert problems() == []
    for wrong in ({"scopes": 3}, {"more": 1}, {"user": {}}):
        assert problems(**wrong)
    assert problems(418)


def test_lists_and_single_things_answer_in_their_form(client: Callable[..., Any]) -> None:
    """A handful of requests to an empty house; the other tests of routes hold every answer likewise."""
    admin = client()
    for path in ("/v1/me", "/v1/users", "/v1/users/admin", "/v1/tokens", "/v1/teams", "/v1/services"):
        assert admin.get(path).status_code == 200
    for path in ("/v1/environments", "/v1/routes", "/v1/builds", "/v1/artifacts", "/v1/releases"):
        assert admin.get(path).status_code == 200
    for path in ("/v1/promotions", "/v1/deployments", "/v1/incidents", "/v1/overview", "/v1/metrics/dora"):
        assert admin.get(path).status_code == 200
    for path in ("/v1/ledger/entries", "/v1/ledger/checkpoint", "/v1/ledger/verify", "/metrics"):
        assert admin.get(path).status_code == 200
    for path in ("/v1/schema/clearway.json", "/healthz"):
        assert admin.get(path).status_code == 200
    assert admin.get("/v1/users/ghost").status_code == 404
