"""The face itself: what it takes in, and what it does when the database is busy."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from forges import FORGES, Sent, payload, sent
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import Listening
from starlette.testclient import TestClient

from clearway import source
from clearway.config import FakeCipher
from clearway.faces.webhooks import app, create_app
from clearway.kernel import Retry, sha256


@pytest.fixture
def listening(tmp_path: Path) -> Listening:
    return Listening(tmp_path, "github")


def test_nothing_is_parsed_before_the_signature_holds(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's bytes never reach a parser."""

    def parse(*_: Any, **__: Any) -> None:
        raise AssertionError("it was parsed")

    delivery = sent("github", 0)
    for name in ("fields_of", "form_field"):
        monkeypatch.setattr(app, name, parse)
    assert listening.post(delivery, **{"X-Hub-Signature-256": "sha256=" + "0" * 64}).status_code == 404
    with pytest.raises(AssertionError):
        listening.post(delivery)


def test_a_body_has_a_limit(listening: Listening) -> None:
    """By its announced length before it is read, and by what comes when none was announced."""
    http = TestClient(create_app(listening.database, most_bytes=1000))
    told = http.post("/hooks/shop-code", content=b"x" * 1001)
    chunks: Iterator[bytes] = itertools.repeat(b"x" * 100, 11)
    streamed = http.post("/hooks/shop-code", content=chunks)
    assert (told.status_code, streamed.status_code) == (413, 413)
    assert told.headers["content-type"] == "application/problem+json"
    assert http.post("/hooks/shop-code", content=b"", headers={"Content-Length": "9" * 20}).status_code == 413


def test_a_header_that_is_there_twice_says_nothing(listening: Listening) -> None:
    """Of two signatures nobody chooses the one that suits."""
    delivery = sent("github", 0)
    headers = [*delivery.headers.items(), ("X-Hub-Signature-256", "sha256=" + "0" * 64)]
    answer = listening.http.post("/hooks/shop-code", content=delivery.body, headers=headers)
    assert answer.status_code == 404


def test_githubs_form(listening: Listening) -> None:
    """A webhook of the other content type: the signature is over the form, the JSON is a field in it."""
    delivery = sent("github", 1)
    form = delivery.but(body=urlencode({"payload": delivery.body.decode()}).encode())
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert listening.post(form, **kind).json()["outcome"] == "recorded"
    empty = delivery.but(body=b"other=1", id="two")
    assert listening.post(empty, **kind).json()["outcome"] == "unreadable"


@pytest.mark.parametrize("told", ["", "x" * 500, "a b", "<script>", "\u00e9", "(refused)"])
def test_an_id_that_is_none_is_the_digest_of_the_bytes(listening: Listening, told: str) -> None:
    """Without an id of a sane form, the same bytes are still the same delivery."""
    delivery = sent("github", 0, id=told)
    headers = {name: value.encode("latin-1") for name, value in delivery.headers.items()}
    for status in (202, 200):
        answer = listening.http.post("/hooks/shop-code", content=delivery.body, headers=headers)
        assert answer.status_code == status
    assert listening.deliveries()[0].delivery_id.startswith("sha256:")


def test_a_busy_database_is_asked_again(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub does not send again by itself, so a moment's trouble is waited out; when it lasts, 503 says so
    and nothing was recorded."""
    receive, trouble = source.receive, iter([True, True, False])

    def busy(*arguments: Any) -> Any:
        if next(trouble, True):
            raise Retry("busy")
        return receive(*arguments)

    monkeypatch.setattr(app.source, "receive", busy)
    assert listening.post(sent("github", 0, id="one")).status_code == 202
    answer = listening.post(sent("github", 1, id="two"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert [each.delivery_id for each in listening.deliveries()] == ["one"]


def test_refused_deliveries_are_one_row(listening: Listening) -> None:
    """Whoever set it up wrong sees it; whoever floods it fills nothing, and is not written of each time."""
    for number in range(20):
        assert listening.post(sent("github", 0, id=f"d-{number}", secret=b"wrong")).status_code == 404
    [row] = listening.deliveries()
    assert (row.outcome, row.times) == ("unsigned", 1)
    listening.app.state.noted.clear()  # a minute later
    listening.post(sent("github", 0, secret=b"wrong"))
    assert [each.times for each in listening.deliveries()] == [2]


def test_events_and_ids_are_kept_printable(listening: Listening) -> None:
    """What stands in headers is shown to people."""
    delivery = sent("github", 0).but(event="x\x1b[31my")
    headers = {name: value.encode("latin-1") for name, value in delivery.headers.items()}
    listening.http.post("/hooks/shop-code", content=delivery.body, headers=headers)
    assert listening.deliveries()[0].event == "x[31my"


@pytest.fixture(scope="module", params=FORGES)
def lasting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Listening:
    """One house for all examples of a forge."""
    return Listening(tmp_path_factory.mktemp("lasting"), request.param)


@settings(max_examples=25)
@given(
    body=st.binary(max_size=200),
    event=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60),
)
def test_no_signed_bytes_break_it(lasting: Listening, body: bytes, event: str) -> None:
    """Whoever has the secret may send any bytes as any event: they are taken and recorded, never a fault."""
    delivery = Sent(lasting.forge, event, body, id=sha256(body + event.encode())[7:])
    raw = {name: value.encode("latin-1") for name, value in delivery.headers.items()}
    answer = lasting.http.post("/hooks/shop-code", content=body, headers=raw)
    assert answer.status_code in (200, 202)


def test_addresses_are_told_without_their_passwords(tmp_path: Path) -> None:
    """What stands among the deliveries is seen by many."""
    listening = Listening(tmp_path, "github", location="https://git.example.com/acme/shop.git")
    told = payload("github.push")
    told["repository"]["clone_url"] = "https://dana:to-ken@git.example.com/acme/cart.git"
    told["repository"]["ssh_url"] = told["repository"]["html_url"] = ""
    listening.post(sent("github", 0).but(body=json.dumps(told).encode()))
    [row] = listening.deliveries()
    assert (row.outcome, "to-ken" in row.error, "acme/cart" in row.error) == ("elsewhere", False, True)


def test_a_secret_that_cannot_be_unsealed_is_none(listening: Listening) -> None:
    """Sealed for another key: nothing is taken, and strangers are not told why."""
    listening.database.tools[source.Cipher] = FakeCipher()
    refused = listening.post(sent("github", 0))
    assert refused.status_code == 404
    assert refused.content == listening.post(sent("github", 0), name="no-such").content
