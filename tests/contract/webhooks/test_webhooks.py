"""Every forge's webhooks, one suite: who is believed, what is recorded, what comes twice or out of order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from forges import FORGES, SECRET, TOKEN, sent
from listening import Listening

from clearway.kernel import sha256

HEAD, MERGED = "5a43b1a09e8d7c6b1f0e6a4c0d5b7a92e8c3f4d6", "9c1d2e3f4a5b60718293a4b5c6d7e8f901234567"
OTHER = b"whsec_" + b"b3RoZXIgc2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXM="
UNSIGNED_BODY = ("azure-devops",)  # what travels there is a password; it says nothing of the body


@pytest.fixture(params=FORGES)
def forge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def listening(forge: str, tmp_path: Path) -> Listening:
    return Listening(tmp_path, forge)


def test_a_push_is_recorded_and_fetched(listening: Listening) -> None:
    """202, one row that says what came, and one look at the repository in the same transaction."""
    delivery = sent(listening.forge, 0)
    answer = listening.post(delivery)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "fetch")
    [row] = listening.deliveries()
    assert (row.forge, row.event, row.about, row.outcome) == (
        listening.forge,
        delivery.event,
        "push to main",
        "fetch",
    )
    assert row.digest == sha256(delivery.body)
    assert listening.queued() == 1
    assert listening.pull() is None


def test_a_pull_requests_story(listening: Listening) -> None:
    """Opened, approved, merged: what is known at its end is what the forge knows."""
    outcomes = [
        listening.post(sent(listening.forge, n, id=f"delivery-{n}")).json()["outcome"] for n in range(4)
    ]
    assert outcomes == ["fetch", "recorded", "recorded", "recorded"]
    pull = listening.pull()
    assert pull is not None
    assert (pull.state, pull.head, pull.merge_commit) == ("merged", HEAD, MERGED)
    assert [each.partition("@")[0] for each in pull.approvers] == ["rita"]
    assert (pull.author.partition("@")[0], pull.merged_by.partition("@")[0]) == ("dana", "rita")
    assert [each.number for each in listening.deliveries()] == [12, 12, 12, None]


def test_the_story_in_another_order(listening: Listening, tmp_path: Path) -> None:
    """Out of order and twice over, the end is the same."""
    ends = set()
    for turn, order in enumerate(((1, 2, 3), (3, 2, 1), (2, 3, 1))):
        other = listening if turn == 0 else Listening(tmp_path / str(turn), listening.forge)
        for number in (*order, *order):
            assert other.post(sent(other.forge, number, id=f"delivery-{number}")).status_code in (200, 202)
        ends.add(other.pull())
    assert len(ends) == 1


def test_the_same_delivery_again_is_already_known(listening: Listening) -> None:
    """A forge that did not hear the answer sends again: 200, nothing new, no second look."""
    delivery = sent(listening.forge, 1)
    assert listening.post(delivery).status_code == 202
    again = listening.post(delivery)
    assert (again.status_code, again.json()["outcome"]) == (200, "already known")
    [row] = listening.deliveries()
    assert row.times == 2
    assert listening.queued() == 1


def test_other_bytes_under_a_known_id_are_refused(listening: Listening) -> None:
    """409, and what was recorded stays as it was."""
    listening.post(sent(listening.forge, 1))
    before, rows = listening.pull(), listening.deliveries()
    told = json.loads(sent(listening.forge, 1).body) | {"more": "of it"}
    other = sent(listening.forge, 1).but(body=json.dumps(told).encode())
    assert listening.post(other).status_code == 409
    assert (listening.pull(), listening.deliveries()) == (before, rows)


def test_the_same_bytes_under_another_id_change_nothing(listening: Listening) -> None:
    """Ids stand in headers that most forges do not sign: whoever recorded a delivery can make one up. Then
    Clearway looks at the repository once more, which does no harm, and takes no fact from it."""
    if listening.forge in UNSIGNED_BODY:
        pytest.skip("its id stands in the body")
    listening.post(sent(listening.forge, 1))
    before = listening.pull()
    answer = listening.post(sent(listening.forge, 1, id="made-up"))
    assert (answer.status_code, answer.json()["outcome"]) == (202, "repeated")
    assert listening.pull() == before


def test_a_wrong_secret_and_no_secret_get_one_answer(listening: Listening) -> None:
    """Nobody learns which repositories there are: an unknown name, a wrong secret, none at all, a body that
    was changed on the way, all get the same bytes, and nothing is recorded of what they sent."""
    delivery = sent(listening.forge, 1)
    bare = listening.http.post("/hooks/shop-code", content=delivery.body)
    refused = [
        bare,
        listening.post(delivery, name="no-such"),
        listening.post(delivery, name="shop"),
        listening.post(delivery.but(secret=OTHER)),
        listening.http.post("/hooks/..%2fshop-code", content=b""),
    ]
    if listening.forge not in UNSIGNED_BODY:
        changed = delivery.body.replace(b"Green", b"Black")
        refused.append(listening.http.post("/hooks/shop-code", content=changed, headers=delivery.headers))
    assert {each.status_code for each in refused} == {404}
    assert len({each.content for each in refused if each.url.path.count("/") == 2}) == 1
    assert listening.pull() is None
    assert [each.outcome for each in listening.deliveries()] == ["unsigned"]
    assert listening.queued() == 0


def test_without_a_secret_nothing_is_taken(tmp_path: Path, listening: Listening) -> None:
    """Fail closed: no secret, or a forge of none, is no webhook, however well it is signed."""
    bare = Listening(tmp_path / "bare", listening.forge, secret=b"")
    assert bare.post(sent(bare.forge, 0)).status_code == 404
    assert bare.post(sent(bare.forge, 0, secret=b"")).status_code == 404
    assert bare.deliveries() == []
    listening.forge, forge = "none", listening.forge
    listening.declare(str(listening.made.root))
    assert listening.post(sent(forge, 0)).status_code == 404


def test_a_replaced_secret_is_good_for_a_day(listening: Listening) -> None:
    """While the forge is told the new one, both are taken; a day later only the new one."""
    listening.set_secret(OTHER)
    assert listening.post(sent(listening.forge, 0, id="one")).status_code == 202
    assert listening.post(sent(listening.forge, 1, id="two", secret=OTHER)).status_code == 202
    listening.house.clock.advance(24 * 3600 + 1)
    late = listening.house.clock()
    assert listening.post(sent(listening.forge, 2, id="three", at=late)).status_code == 404
    assert listening.post(sent(listening.forge, 3, id="four", at=late, secret=OTHER)).status_code == 202


def test_other_secrets_do_as_well(tmp_path: Path, listening: Listening) -> None:
    """A plain text is a secret too, wherever it comes from."""
    plain = Listening(tmp_path / "plain", listening.forge, secret=TOKEN)
    assert plain.post(sent(plain.forge, 0, secret=TOKEN)).status_code == 202
    assert plain.post(sent(plain.forge, 1, secret=SECRET, id="two")).status_code == 404


def test_what_cannot_be_read_is_still_a_hint(listening: Listening) -> None:
    """A signed delivery in a form that nobody documented: taken, or the forge would stop sending; it says
    what is wrong, and the repository is looked at."""
    for number, body in enumerate((b"{", b"[]", b'{"a": ' + b"9" * 5000 + b"}", b"\xff")):
        answer = listening.post(sent(listening.forge, 0, id=f"odd-{number}").but(body=body))
        assert (answer.status_code, answer.json()["outcome"]) == (202, "unreadable")
    assert all(each.error for each in listening.deliveries())
    assert listening.queued() == 1


def test_a_pull_request_without_its_commit_is_unreadable(listening: Listening) -> None:
    """A field that is missing where the forge documents it costs the fact, not the hint."""
    told = json.loads(sent(listening.forge, 1).body.replace(HEAD.encode(), b"not a commit"))
    answer = listening.post(sent(listening.forge, 1).but(body=json.dumps(told).encode()))
    assert answer.json()["outcome"] == "unreadable"
    assert listening.pull() is None
    [row] = listening.deliveries()
    assert "no commit id" in row.error
    assert listening.queued() == 1


def test_another_repositorys_deliveries_are_not_taken(tmp_path: Path, listening: Listening) -> None:
    """A webhook of the whole organisation reports here by mistake: its pull requests are not ours."""
    other = Listening(tmp_path / "other", listening.forge, location="https://git.example.com/acme/cart.git")
    answer = other.post(sent(other.forge, 1))
    assert (answer.status_code, answer.json()["outcome"]) == (202, "elsewhere")
    assert other.pull() is None
    assert other.queued() == 0
    [row] = other.deliveries()
    assert "acme/cart" in row.error


WORST = {
    "title": "\ud800" * 1500,
    "description": "\u0000" * 70_000,
    "body": "\u0000" * 70_000,
    "login": "x\u0000\ud800" * 210,
    "username": "\udfff" * 210,
    "uniqueName": "\ud800\u0000" * 210,
    "author": "\ud800" * 210,
    "reviewer": "\ud800" * 210,
    "name": "\u0000\ud800" * 210,
    "html_url": "javascript:alert(1)",
    "url": "https://x/" + "y" * 5000,
}


def spoiled(told: Any) -> Any:
    """A payload with the worst text of its kind in each place, but for what tells of the repository."""
    if isinstance(told, list):
        return [
            {**spoiled(each), "description": ""} if isinstance(each, dict) else each for each in told
        ] * 120
    if isinstance(told, dict):
        about = ("repo", "repository", "project", "source", "target", "owner")
        return {
            key: {} if key in about and isinstance(value, dict) else WORST.get(key, spoiled(value))
            for key, value in told.items()
        }
    return told


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("chapter", [1, 2])
def test_what_can_be_read_can_be_kept(tmp_path: Path, forge: str, kind: str, chapter: int) -> None:
    """Texts that no column has room for, letters that no database stores, a hundred times too many labels and
    reviewers: what is left of them is recorded, on either database."""
    listening = Listening(tmp_path, forge, postgres=kind == "postgres")
    told = spoiled(json.loads(sent(forge, chapter).body))
    answer = listening.post(sent(forge, chapter).but(body=json.dumps(told).encode()))
    assert (answer.status_code, answer.json()["outcome"]) == (202, "recorded"), listening.deliveries()
    pull = listening.pull()
    listening.database.dispose()
    assert pull is not None
    assert len(pull.labels) <= 100


def test_an_event_of_no_use_is_ignored(listening: Listening) -> None:
    """Stars and comments are recorded, and do nothing."""
    body = json.dumps({"eventType": "workitem.created", "id": "w-1", "type": "star", "action": "x"}).encode()
    answer = listening.post(sent(listening.forge, 0).but(event="star", body=body))
    assert (answer.status_code, answer.json()["outcome"]) == (202, "ignored")
    assert listening.queued() == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post(listening: Listening, method: str) -> None:
    """Nothing else is answered."""
    assert listening.http.request(method, "/hooks/shop-code").status_code == 405
