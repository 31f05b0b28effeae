"""Whatever is sent, it is read or refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from forges import AT, FORGES, SECRET, sent
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.faces.webhooks import forges as known
from clearway.faces.webhooks.forge import Facts
from clearway.faces.webhooks.reading import Fields, Unreadable, fields_of, form_field

KINDS = {
    "github": ("push", "create", "pull_request", "pull_request_review", "ping"),
    "gitlab": ("Push Hook", "Tag Push Hook", "Merge Request Hook"),
    "azure-devops": ("git.push", "git.pullrequest.created", "git.pullrequest.updated"),
    "gitea": ("push", "delete", "pull_request", "pull_request_approved"),
    "forgejo": ("push", "pull_request_rejected"),
    "generic": ("push", "pull_request", "ping"),
}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=30),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4),
    max_leaves=20,
)


def ways(told: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in items:
        found += ways(value, (*path, key))
    return found


def put(told: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        told = told[key]
    told[path[-1]] = value


def storable(facts: Facts) -> None:
    """Every text fits into its column and into any database; every address is a web address."""
    pull = facts.pull_request
    texts = [facts.about]
    if pull is not None:
        assert 1 <= pull.number < 2**63
        assert pull.state in ("open", "merged", "closed")
        assert pull.url == "" or pull.url.startswith(("http://", "https://"))
        assert 0 < len(pull.target) <= 255
        assert len(pull.head) in (40, 64)
        assert pull.updated_at.tzinfo is not None
        assert len(pull.author) <= 200 >= len(pull.merged_by)
        texts += [pull.title, pull.body, pull.author, pull.target, pull.url, pull.merged_by, *pull.labels]
    for review in facts.reviews:
        assert 0 < len(review.reviewer) <= 200
        assert len(review.commit) in (40, 64)
        texts.append(review.reviewer)
    for text in texts:
        text.encode("utf-8")
        assert "\0" not in text


@pytest.mark.parametrize("forge", FORGES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_document_with_anything_anywhere(forge: str, data: st.DataObject) -> None:
    """One to four places of a documented payload hold something of another type: it is read as far as it
    goes, or Unreadable says where it does not."""
    story = sent(forge, data.draw(st.integers(0, 3)))
    told = json.loads(story.body)
    places = st.sampled_from(ways(told))
    for path in data.draw(st.lists(places, min_size=1, max_size=4)):
        try:
            put(told, path, data.draw(ANY))
        except (KeyError, TypeError, IndexError, AttributeError):
            continue  # an earlier change took that place away
    event = data.draw(st.sampled_from((*KINDS[forge], story.event)))
    heading = known.FORGES[forge].heading({}, Fields(told), "sha256:" + "0" * 64)
    assert isinstance(heading.delivery_id, str)
    with contextlib.suppress(Unreadable):
        storable(known.FORGES[forge].read("shop", event, Fields(told)))


@pytest.mark.parametrize("forge", FORGES)
@settings(max_examples=40, deadline=None)
@given(
    told=st.dictionaries(st.sampled_from(["pull_request", "data", "resource", "x"]), ANY),
    kind=st.integers(0, 1),
)
def test_a_document_of_nothing_known(forge: str, told: dict[str, Any], kind: int) -> None:
    """Any JSON object at all."""
    with contextlib.suppress(Unreadable):
        storable(known.FORGES[forge].read("shop", KINDS[forge][kind], Fields(told)))


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """Bytes are a JSON object, or Unreadable."""
    with contextlib.suppress(Unreadable):
        assert isinstance(fields_of(body), Fields)
    with contextlib.suppress(Unreadable):
        assert isinstance(form_field(body, "payload"), bytes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xed\xa0\x80"}',
        b"{} {}",
        b'{"a": 1,}',
        b"\x00",
    ],
)
def test_what_is_no_document_is_said_to_be_none(body: bytes) -> None:
    """Nothing, lists, endless nesting, numbers that are none or have no end, other encodings, rests."""
    with pytest.raises(Unreadable):
        fields_of(body)


def test_halves_of_characters_do_not_reach_the_database() -> None:
    """JSON can spell what no database can store."""
    told = fields_of(rb'{"a": "x\ud800y\u0000z", "b": "\ud83d\ude00"}')
    assert told.text("a") == "x?yz"
    assert told.text("b") == "\N{GRINNING FACE}"


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**400, 1.5, True, "12", None, [1]])
def test_a_number_is_a_number(number: Any) -> None:
    """What does not count pull requests is not cut or rounded to one that does."""
    with pytest.raises(Unreadable):
        Fields({"n": number}).need_number("n")


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "http://a b",
        'https://x/"onclick=',
        "data:text/html,x",
        "https://x/<b>",
        "//x",
        7,
    ],
)
def test_only_web_addresses_become_links(address: Any) -> None:
    """A page never links to what a delivery made up."""
    assert Fields({"url": address}).address("url") == ""


@pytest.mark.parametrize(
    "told", ["2026-03-01", "2026-03-01T10:00:00", "9999-12-31T23:59:59-14:00", "now", "", 7, "1" * 50]
)
def test_a_moment_has_a_time_zone(told: Any) -> None:
    """A moment that could be two is none; one beyond the calendar is none either."""
    assert Fields({"at": told}).instant("at") is None


@settings(max_examples=100, deadline=None)
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("x-hub-signature-256", "x-gitlab-token", "authorization", "x-gitea-signature"),
                *("x-forgejo-signature", "webhook-id", "webhook-timestamp", "webhook-signature"),
            ]
        ),
        st.text(alphabet=st.characters(max_codepoint=255), max_size=80),
    ),
    forge=st.sampled_from(FORGES),
)
def test_any_headers(headers: dict[str, str], forge: str) -> None:
    """Made-up headers prove nothing, and break nothing."""
    assert not known.FORGES[forge].is_signed(headers, b"{}", [SECRET], AT)


def test_a_form_with_a_payload() -> None:
    """GitHub's other content type: the JSON is a field of a form."""
    body = urlencode({"payload": '{"ref": "refs/heads/main"}'}).encode()
    assert form_field(body, "payload") == b'{"ref": "refs/heads/main"}'
