"""Who is believed, and that finding out takes as long for a near miss as for a far one."""

from __future__ import annotations

import ast
import base64
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from forges import AT, FORGES, SECRET, TOKEN, Sent, sent

from clearway.faces.webhooks import forges as known
from clearway.faces.webhooks import signatures


def believed(
    delivery: Sent, *secrets: bytes, now: datetime = AT, headers: Mapping[str, str] | None = None
) -> bool:
    told = {name.lower(): value for name, value in (headers or delivery.headers).items()}
    forge = known.FORGES[delivery.forge]
    return forge.is_signed(told, delivery.body, secrets or (delivery.secret,), now)


def test_the_example_of_github(tmp_path: Path) -> None:
    """GitHub documents a secret, a body and the signature that they make."""
    secret, body = b"It's a Secret to Everybody", b"Hello, World!"
    told = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signatures.hex_hmac(told, body, [secret], "sha256=")
    assert not signatures.hex_hmac(told, body + b"!", [secret], "sha256=")


def test_the_example_of_standard_webhooks() -> None:
    """The specification's own libraries are tested with this key, id, moment and body."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret, body = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    then = datetime.fromtimestamp(1614265330, AT.tzinfo)
    assert signatures.standard(headers, body, [secret], then)
    assert not signatures.standard(headers | {"webhook-id": "msg_2"}, body, [secret], then)


@pytest.mark.parametrize(
    "told", ["", "x", "-1614265330", "1614265330.5", "9" * 400, " 1614265330", "1e9", "١٦١"]
)
def test_a_moment_is_whole_seconds(told: str) -> None:
    """A timestamp of any other form, however large, is no timestamp."""
    headers = {"webhook-id": "a", "webhook-timestamp": told, "webhook-signature": "v1,AAAA"}
    assert not signatures.standard(headers, b"{}", [SECRET], AT)


@pytest.mark.parametrize("forge", ["generic", "gitlab"])
@pytest.mark.parametrize(("seconds", "fresh"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signed_moment_is_good_for_five_minutes(forge: str, seconds: int, fresh: bool) -> None:
    """Older is a replay; newer than the clocks may differ is made up."""
    assert believed(sent(forge, 0), now=AT + timedelta(seconds=seconds)) is fresh


@pytest.mark.parametrize("secret", [b"whsec_", b"whsec_%%%", b"whsec_AA=A"])
def test_a_key_that_is_no_base64_is_taken_as_it_is(secret: bytes) -> None:
    """A broken key never becomes an empty one, which anybody could sign with."""
    forged = Sent("generic", "push", b"{}", secret=b"")
    stamp = forged.headers["webhook-timestamp"]
    signed = b".".join((forged.id.encode(), stamp.encode(), b"{}"))
    empty = "v1," + base64.b64encode(hmac.digest(b"", signed, "sha256")).decode()
    assert not believed(forged, secret, headers=forged.headers | {"webhook-signature": empty})


@pytest.mark.parametrize("forge", FORGES)
def test_an_empty_secret_signs_nothing(forge: str) -> None:
    """Whatever came to be stored, nobody is let in by knowing nothing."""
    assert not believed(sent(forge, 0, secret=b""), b"")


def test_gitlabs_signing_token_is_no_password() -> None:
    """Whoever saw the token of a signed webhook's list cannot leave the signature out; the older token still
    works beside it, for hooks that were not changed yet."""
    bare = sent("gitlab", 0, secret=TOKEN)
    assert believed(bare, SECRET, TOKEN)
    assert not believed(bare, SECRET, headers=bare.headers | {"X-Gitlab-Token": SECRET.decode()})


def test_gitlabs_broken_signature_is_not_rescued() -> None:
    """With a signing token alone, a delivery without its signature is nobody's."""
    signed = sent("gitlab", 0)
    assert not believed(signed, headers=signed.headers | {"webhook-signature": "v1,AAAA"})


def test_gitea_is_not_rescued_by_another_header() -> None:
    """Gitea signs under several names; a bad signature under its own is bad."""
    good = sent("gitea", 0)
    assert not believed(good, headers=good.headers | {"X-Gitea-Signature": "0" * 64})
    forgejo = sent("forgejo", 0)
    assert not believed(forgejo, headers=forgejo.headers | {"X-Forgejo-Signature": "0" * 64})


@pytest.mark.parametrize(
    "told",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic Og==",
        "Basic " + base64.b64encode(TOKEN).decode(),
        "Bearer " + TOKEN.decode(),
    ],
)
def test_azure_wants_the_password(told: str) -> None:
    """A name without a colon, an empty password, another scheme: no."""
    assert not signatures.basic(told, [TOKEN])
    assert signatures.basic("basic " + base64.b64encode(b":" + TOKEN).decode(), [TOKEN])


@pytest.mark.parametrize("forge", FORGES)
def test_every_comparison_is_in_constant_time(forge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent meets what is expected in hmac.compare_digest and nowhere else, once a secret, also after
    one that fits."""
    asked: list[tuple[Any, Any]] = []

    def compare(ours: Any, theirs: Any) -> bool:
        asked.append((ours, theirs))
        return bytes(ours) == bytes(theirs)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    delivery = sent(forge, 0)
    assert believed(delivery, delivery.secret, SECRET[:-4] + b"more", SECRET[:-4] + b"last")
    assert len(asked) == 3
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: False)
    assert not believed(delivery)


def test_nothing_is_compared_with_equals() -> None:
    """In the module of signatures no `==` and no `in` ever touches bytes that came from outside."""
    tree = ast.parse(Path(signatures.__file__).read_text())
    compared = [
        ast.unparse(each)
        for each in ast.walk(tree)
        if isinstance(each, ast.Compare)
        and any(isinstance(op, ast.Eq | ast.NotEq | ast.In) for op in each.ops)
    ]
    assert compared == ["scheme.lower() == 'basic'"]
