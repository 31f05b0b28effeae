"""Keys come from the issuer's own documents, over a connection that nobody else can play."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from issuers import Issuer, elsewhere, issuing, public, rsa_key
from starlette.responses import JSONResponse, Response

from clearway.integrations.oidc_issuers import FetchedIssuers
from clearway.integrations.oidc_issuers.fetch import KEPT_S, PAUSE_S
from clearway.kernel import Retry


class Clock:
    """Moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


def test_a_key_is_found_by_discovery_and_kept(issuer: Issuer) -> None:
    """Two requests for the first question, none for the next ones, two again after ten minutes."""
    clock = Clock()
    known = FetchedIssuers(clock)
    for _ in range(3):
        found = known.key(issuer.url, "one")
        assert found is not None
        assert found["n"] == public(rsa_key())["n"]
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    clock.now += KEPT_S
    assert known.key(issuer.url, "one")
    assert len(issuer.asked) == 4


def test_a_new_key_is_found_and_an_old_one_forgotten(issuer: Issuer) -> None:
    """Keys rotate: an unknown id makes us look again, and a withdrawn key does not count any more."""
    clock = Clock()
    known = FetchedIssuers(clock)
    assert known.key(issuer.url, "one")
    issuer.keys = [public(rsa_key("two"))]
    clock.now += PAUSE_S
    assert known.key(issuer.url, "two")
    assert known.key(issuer.url, "one") is None


def test_strangers_cannot_make_us_ask_for_each_invented_key(issuer: Issuer) -> None:
    """A hundred unknown ids in a moment are two requests."""
    known = FetchedIssuers(Clock())
    assert [known.key(issuer.url, f"none-{number}") for number in range(100)] == [None] * 100
    assert len(issuer.asked) == 2


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://keys.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://user:secret@keys.example/"},
    ],
)
def test_a_discovery_document_leads_nowhere_else(issuer: Issuer, discovery: dict[str, Any]) -> None:
    """Another issuer's document, or keys from where anybody could change them."""
    issuer.discovery = discovery
    with pytest.raises(Retry):
        FetchedIssuers().key(issuer.url, "one")


@pytest.mark.parametrize(
    "answer",
    [
        elsewhere,
        lambda _: Response("no", 500),
        lambda _: Response("<html>"),
        lambda _: JSONResponse([]),
        lambda _: JSONResponse({"keys": "x" * (2 << 20)}),
        lambda _: Response("[" * 100_000),
    ],
)
def test_an_answer_that_is_no_document_is_no_key(issuer: Issuer, answer: Any) -> None:
    """Redirects, errors, floods and nonsense: not now."""
    issuer.answer = answer
    with pytest.raises(Retry):
        FetchedIssuers().key(issuer.url, "one")


def test_an_issuer_that_is_away_vouches_for_nothing() -> None:
    """No connection is no key; keys of before do not count once they are old."""
    clock = Clock()
    known = FetchedIssuers(clock)
    with issuing() as made:
        assert known.key(made.url, "one")
        url = made.url
    clock.now += KEPT_S
    with pytest.raises(Retry):
        known.key(url, "one")
    with pytest.raises(Retry):
        known.key("http://ci.example", "one")
