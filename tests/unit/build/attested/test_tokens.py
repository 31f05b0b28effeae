"""A token counts only when its issuer signed it, for us, in its time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from issuers import AUDIENCE, ec_key, forged, github, public, rsa_key, sign

from clearway.build.attested.tokens import KEY_KINDS, check_audience, read_unverified, verify
from clearway.kernel import Unauthenticated

ISSUER = "https://ci.example"
NOW = 1_790_000_000.0


def claims(**more: Any) -> dict[str, Any]:
    """A token's content that is in its time."""
    return {**github(ISSUER), "iat": NOW, "nbf": NOW, "exp": NOW + 300, **more}


def check(token: str, key: dict[str, Any] | None = None, now: float = NOW) -> Any:
    return verify(token, public(rsa_key()) if key is None else key, issuer=ISSUER, now=now)


def test_what_the_issuer_signed_is_believed() -> None:
    """RSA and curves, with the id and the end that the token names."""
    said = claims(jti="abc")
    for key, algorithm in (
        (rsa_key(), "RS256"),
        (rsa_key(), "RS512"),
        (rsa_key(), "PS256"),
        (ec_key(), "ES256"),
        (ec_key("big", "P-384"), "ES384"),
    ):
        found = check(sign(said, key, algorithm), public(key))
        assert (found.token_id, found.expires_at) == ("abc", NOW + 300)
        assert found.claims["repository"] == "acme/shop"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "RS1", "ES256K", "", None, 7])
def test_no_algorithm_without_a_public_key_counts(algorithm: Any) -> None:
    """`none` and shared secrets are refused by name, whatever signature is there."""
    for signature in (b"", b"x"):
        token = forged({"alg": algorithm, "kid": "one"}, claims(), signature)
        with pytest.raises(Unauthenticated):
            check(token)


def test_a_public_key_is_never_a_shared_secret() -> None:
    """A token signed by HMAC, with the issuer's public key as the secret: the classic confusion."""
    header = {"alg": "HS256", "kid": "one"}
    pem = rsa_key().as_pem(private=False)
    for secret in (pem, json.dumps(public(rsa_key())).encode()):
        draft = forged(header, claims(), b"").rstrip(".")
        tag = hmac.new(secret, draft.encode(), hashlib.sha256).digest()
        token = draft + "." + base64.urlsafe_b64encode(tag).decode().rstrip("=")
        with pytest.raises(Unauthenticated, match="algorithm"):
            check(token)
        with pytest.raises(Unauthenticated):
            check(
                token.replace(token.split(".")[0], forged({"alg": "RS256", "kid": "one"}, {}).split(".")[0])
            )


def test_a_key_is_for_its_own_algorithm() -> None:
    """RSA verifies no curve's signature; keys for encryption, short and symmetric ones verify nothing."""
    good = sign(claims())
    wrong: list[dict[str, Any]] = [
        public(ec_key()),
        public(rsa_key(), use="enc"),
        public(rsa_key(), alg="RS512"),
        public(rsa_key("other")),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        {},
        {**public(rsa_key()), "n": "!!"},
        {**public(rsa_key()), "e": None},
    ]
    for key in wrong:
        with pytest.raises(Unauthenticated):
            check(good, key)
    short = rsa_key("short", 1024)
    with warnings.catch_warnings(), pytest.raises(Unauthenticated, match="bits"):
        warnings.simplefilter("ignore")
        check(sign(claims(), short), public(short))
    with pytest.raises(Unauthenticated, match="curve"):
        check(sign(claims(), ec_key(), "ES256"), public(ec_key("big", "P-384")))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"exp": NOW + 25 * 3600}, "a day"),
        ({"iat": NOW + 40}, "future"),
        ({"nbf": NOW + 40}, "future"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"iat": -5}, "iat"),
        ({"jti": ""}, "jti"),
        ({"jti": None}, "jti"),
        ({"jti": "a\nb"}, "jti"),
        ({"iss": "https://ci.example/"}, "issuer"),
        ({"iss": "HTTPS://CI.EXAMPLE"}, "issuer"),
        ({"iss": None}, "issuer"),
    ],
)
def test_times_issuer_and_id_are_exact(more: dict[str, Any], why: str) -> None:
    """Expired, early, endless, nameless or another issuer's: each is refused, and says why."""
    with pytest.raises(Unauthenticated, match=why):
        check(sign(claims(**more)))


def test_clocks_may_differ_a_little() -> None:
    """Half a minute, no more."""
    assert check(sign(claims()), now=NOW + 329)
    assert check(sign(claims()), now=NOW - 29)


def test_an_audience_is_exactly_ours() -> None:
    """Alone, as a text or as a list of one; beside others, or nearly the same, it is not."""
    assert check_audience({"aud": AUDIENCE}, AUDIENCE)
    assert check_audience({"aud": [AUDIENCE]}, AUDIENCE)
    for other in (None, "", AUDIENCE + "/", [AUDIENCE, "x"], [AUDIENCE, AUDIENCE], [], {AUDIENCE: 1}, 5):
        assert not check_audience({"aud": other}, AUDIENCE), other


def test_a_header_leads_nowhere() -> None:
    """What a token says of keys elsewhere is not looked at; what must be understood and is not, refuses."""
    mine = rsa_key("mine")
    with pytest.raises(Unauthenticated, match="did not sign"):
        check(sign(claims(), mine, kid="one", jwk=public(mine), jku="https://evil.example/keys"))
    for header in ({"crit": ["b64"], "b64": False}, {"zip": "DEF"}, {"crit": []}):
        with pytest.raises(Unauthenticated):
            check(forged({"alg": "RS256", "kid": "one", **header}, claims()))


def test_a_name_twice_is_refused() -> None:
    """Two readers could take different values."""
    body = base64.urlsafe_b64encode(b'{"iss":"https://ci.example","iss":"https://evil.example"}').decode()
    head = forged({"alg": "RS256", "kid": "one"}, {}).split(".")[0]
    with pytest.raises(Unauthenticated):
        read_unverified(f"{head}.{body.rstrip('=')}.eA")


@given(st.text(max_size=300))
def test_any_text_is_refused_and_nothing_worse(text: str) -> None:
    """Whatever is sent as a token: the answer is a no."""
    with pytest.raises(Unauthenticated):
        check(text)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "jku", "jwk", "x5u", "zip", "b64", "iss", "aud", "exp"])


@given(st.dictionaries(NAMES, JSON), st.dictionaries(NAMES, JSON), st.binary(max_size=300))
def test_any_header_and_claims_without_a_signature_are_refused(
    header: dict[str, Any], said: dict[str, Any], signature: bytes
) -> None:
    """Hostile headers and claims, with every algorithm's name: nothing but a no."""
    for algorithm in (header.get("alg"), *KEY_KINDS):
        with pytest.raises(Unauthenticated):
            check(forged({"kid": "one", **header, "alg": algorithm}, {"iss": ISSUER, **said}, signature))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0, max_value=10**6), st.integers(min_value=1, max_value=255))
def test_no_bit_of_a_signed_token_can_be_changed(place: int, flip: int) -> None:
    """A signature covers every byte of header and claims; another signature is none."""
    token = _TOKEN
    at = place % len(token)
    other = token[:at] + chr(ord(token[at]) ^ (flip & 0x7F)) + token[at + 1 :]
    if _decoded(other) == _decoded(token):
        return  # the last letter of base64 has bits that mean nothing
    with pytest.raises(Unauthenticated):
        check(other)


_TOKEN = sign(claims())


def _decoded(token: str) -> Any:
    try:
        return [base64.b64decode(each + "==", altchars=b"-_", validate=True) for each in token.split(".")]
    except ValueError:
        return None
