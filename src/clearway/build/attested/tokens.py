"""Checking another CI's OIDC token. The signature is joserfc's business; what is believed is decided here.

Rules:
1. The algorithm is one of a short list, all with a public key: neither `none` nor a shared secret counts.
2. The key is the one that the issuer publishes under the token's `kid`, and fits the algorithm. What headers
   say of keys elsewhere (`jku`, `jwk`, `x5u`) is not even looked at.
3. Issuer and audience are exactly the expected ones; a token for several audiences is nobody's.
4. It lives now, by its own words, within a small difference of clocks, and not for long.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from clearway.kernel import Unauthenticated

MAX_TOKEN = 16 << 10
SKEW_S = 30.0
LONGEST_LIFE_S = 24 * 3600.0  # GitLab's lives as long as the job may run
KEY_KINDS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "EC",
    "ES384": "EC",
}
_CURVES = {"ES256": "P-256", "ES384": "P-384"}
_SHORTEST_RSA = 2048


@dataclass(frozen=True)
class Unverified:
    """What a token says of itself; nothing of it is believed."""

    algorithm: str
    key_id: str
    issuer: str


@dataclass(frozen=True)
class Verified:
    """The claims of a token that its issuer signed, for this audience, in its time."""

    claims: Mapping[str, Any]
    token_id: str
    expires_at: float  # seconds since 1970


def _no(why: str, expected: str = "") -> NoReturn:
    raise Unauthenticated(f"the token is not accepted: {why}", expected=expected or None)


def read_unverified(token: str) -> Unverified:
    """Whose token it claims to be. Raises Unauthenticated when it is no token of the accepted kinds."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3 or not all(parts) or not token.isascii():
        _no("it is not a signed JSON web token", "three parts with points between them")
    header, claims = _object(_decoded(parts[0])), _object(_decoded(parts[1]))
    algorithm, key_id, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
    if not isinstance(algorithm, str) or algorithm not in KEY_KINDS:
        _no("its algorithm is not one of those that are accepted", ", ".join(KEY_KINDS))
    if "crit" in header or "b64" in header or "zip" in header:
        _no("its header wants something that is not understood")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= 300:
        _no("it names no key")
    if not isinstance(issuer, str):
        _no("it names no issuer")
    return Unverified(algorithm, key_id, issuer)


def verify(token: str, key: Mapping[str, Any], *, issuer: str, now: float) -> Verified:
    """The claims, once the issuer's key and the clock agree. The audience is `check_audience`'s.

    Raises Unauthenticated.
    """
    said = read_unverified(token)
    claims = _object(_signed(token, key, said))
    if claims.get("iss") != issuer:
        _no("it is another issuer's")
    expires = _check_times(claims, now)
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= 300 or not token_id.isprintable():
        _no("it has no id (jti), so nobody could tell whether it was used before")
    return Verified(claims, token_id, expires)


def check_audience(claims: Mapping[str, Any], audience: str) -> bool:
    """Whether the token is for this audience and for no other."""
    return claims.get("aud") in (audience, [audience])


def _signed(token: str, key: Mapping[str, Any], said: Unverified) -> bytes:
    """The payload that the key signed."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    _check_key(key, said.algorithm)
    public = {name: value for name, value in key.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        known = import_key(public)
        found = jws.deserialize_compact(token, known, algorithms=[said.algorithm])
    except (JoseError, ValueError, TypeError, KeyError, binascii.Error):
        _no("the issuer's key did not sign it")
    return bytes(found.payload)


def _check_key(key: Mapping[str, Any], algorithm: str) -> None:
    kind = KEY_KINDS[algorithm]
    if key.get("kty") != kind or key.get("use", "sig") != "sig" or key.get("alg", algorithm) != algorithm:
        _no("the issuer's key is not for this algorithm")
    if kind == "EC" and key.get("crv") != _CURVES[algorithm]:
        _no("the issuer's key is on another curve")
    if kind == "RSA":
        modulus = key.get("n")
        size = len(_decoded(modulus).lstrip(b"\0")) * 8 if isinstance(modulus, str) else 0
        if size < _SHORTEST_RSA:
            _no(f"the issuer's key has fewer than {_SHORTEST_RSA} bits")


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    """When it ends. Raises Unauthenticated when now is not in its life, or its life is too long."""
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    begins = _instant(claims, "nbf") if "nbf" in claims else issued
    if now >= expires + SKEW_S:
        _no("it has expired", "a token made for this very job")
    if now < begins - SKEW_S or now < issued - SKEW_S:
        _no("it is of the future: do the clocks agree?")
    if expires - issued > LONGEST_LIFE_S:
        _no("it lives for more than a day")
    return expires


def _instant(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        _no(f"its {name} is no time")
    if not 0 < found < 1e11:
        _no(f"its {name} is no time")
    return float(found)


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        _no("it is not base64url")


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        _no("it is not JSON")
    if not isinstance(found, dict):
        _no("it is not JSON")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of a name that stands there twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found
