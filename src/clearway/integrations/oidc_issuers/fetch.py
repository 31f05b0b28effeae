"""Discovery document and key set of an issuer, over HTTPS, kept for a while.

Rules:
1. https only (http to this very machine), no redirects, a few seconds, a limit on what is read.
2. The discovery document must name the issuer that it was asked of.
3. Keys are kept for ten minutes. One that is not among them makes us look again, but seldom: a stranger who
   invents key ids must not make us call the issuer for each.
4. Old keys do not count while an issuer is away: it may have withdrawn one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from clearway.catalog import is_safe_address
from clearway.kernel import Retry

KEPT_S = 600.0
PAUSE_S = 30.0  # between two looks for keys that are not there
TIMEOUT_S = 5.0
MAX_BYTES = 1 << 20
MAX_KEYS = 100


@dataclass(frozen=True)
class _Known:
    keys: Mapping[str, Mapping[str, Any]]
    at: float


class FetchedIssuers:
    """Issuers as they are found in the world; see build.Issuers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def key(self, issuer: str, key_id: str) -> Mapping[str, Any] | None:
        """See Issuers.key."""
        with self._lock:  # many jobs end at once; one of them asks
            known = self._known.get(issuer)
            age = self._clock() - known.at if known else KEPT_S
            stale = age >= KEPT_S or (age >= PAUSE_S and known is not None and key_id not in known.keys)
            if known is None or stale:
                known = self._look(issuer)
            return known.keys.get(key_id)

    def _look(self, issuer: str) -> _Known:
        now = self._clock()
        at, why = self._failed.get(issuer, (-PAUSE_S, ""))
        if now - at < PAUSE_S / 10:
            raise Retry(why)
        try:
            found = _Known(fetch_keys(issuer), now)
        except Retry as error:
            self._failed[issuer] = (self._clock(), error.message)
            raise
        self._known[issuer] = found
        return found


def fetch_keys(issuer: str) -> dict[str, Mapping[str, Any]]:
    """The keys that an issuer publishes now, by id. Raises Retry."""
    about = _get(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if about.get("issuer") != issuer:
        raise Retry(f"the discovery document of {issuer} is of another issuer")
    address = about.get("jwks_uri")
    if not isinstance(address, str):
        raise Retry(f"the discovery document of {issuer} names no keys")
    keys = _get(address).get("keys")
    if not isinstance(keys, list):
        raise Retry(f"{address} holds no keys")
    found = [each for each in keys[:MAX_KEYS] if isinstance(each, dict)]
    return {each["kid"]: each for each in found if isinstance(each.get("kid"), str)}


def _get(address: str) -> dict[str, Any]:
    import httpx

    # jwks_uri may be below a path with a query, the issuer may not.
    if not is_safe_address(address.partition("?")[0]):
        raise Retry(f"{address} is not https")
    data = b""
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", address, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise Retry(f"{address} answers {answer.status_code}")
            began = time.monotonic()
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > MAX_BYTES or time.monotonic() - began > TIMEOUT_S:
                    raise Retry(f"{address} answers too much, or too slowly")
        found = json.loads(data)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise Retry(f"{address} cannot be read: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise Retry(f"{address} is no document")
    return found
