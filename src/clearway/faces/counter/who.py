"""Who asks, by any of the ways in which package clients show a token.

Rules:
1. One token opens all faces: as a bearer, or as the password of any user name (`__token__`, an e-mail
   address, one's own name), or in the header that a format has for it.
2. A token that does not hold is refused, also where nobody needs one: a client with a spoilt token must not
   believe that it is signed in.
"""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from clearway import access, artifacts
from clearway.kernel import Actor, Unauthenticated
from clearway.storage import UnitOfWork

MOST_HEADER = 8192  # characters


def who(uow: UnitOfWork, request: Request, header: str | None = None) -> Actor:
    """The actor of a request; the anonymous one when no token was shown. Raises Unauthenticated.

    `header` names a further header that may carry the token, such as X-NuGet-ApiKey.
    """
    shown = request.headers.get("authorization", "")
    own = request.headers.get(header, "") if header else ""
    if own:
        return by_bearer(uow, own)
    if not shown:
        return artifacts.ANONYMOUS
    scheme, _, rest = shown.partition(" ")
    if len(shown) > MOST_HEADER or scheme.lower() not in ("bearer", "basic"):
        raise Unauthenticated("the Authorization header is none that is known here", expected=_EXPECTED)
    return by_bearer(uow, rest) if scheme.lower() == "bearer" else by_basic(uow, rest)


_EXPECTED = "Authorization: Bearer cwy_..., or Basic with a token as the password"


def by_bearer(uow: UnitOfWork, token: str) -> Actor:
    """Whose token this is. Raises Unauthenticated."""
    return access.authenticate(uow, token.strip()).actor


def by_basic(uow: UnitOfWork, encoded: str) -> Actor:
    """Whose token the password of Basic is. Raises Unauthenticated."""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated("the Authorization header is not base64", expected=_EXPECTED) from None
    _name, _, password = text.partition(":")
    return by_bearer(uow, password)
