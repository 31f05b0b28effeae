"""Addresses, and the secrets that people leave in them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_PLAIN_USER = re.compile(r"[A-Za-z0-9_.-]*")
_NAMED = frozenset({"ssh", "git+ssh", "ssh+git"})  # where a user's name is part of the address, and no secret


def holds_credentials(address: str) -> bool:
    """Whether an address carries a password or a token. What cannot be told apart from one counts as one.

    A name alone is allowed with SSH only: with HTTPS tokens are often given as the name.
    """
    scheme, marker, rest = address.partition("://")
    if not marker:  # user@host:path, or a path
        user, at, _ = address.partition("@")
        return bool(at) and "/" not in user and ":" in user
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at and (scheme.lower() not in _NAMED or not _PLAIN_USER.fullmatch(user)):
        return True
    if scheme.lower() == "file":
        return False
    try:  # `https://user:pass/word@host`: what stands for a port is the beginning of a password
        urlsplit(f"x://{authority}").port  # noqa: B018  # it is read for its error
    except ValueError:
        return True
    return "?" in rest or "#" in rest
