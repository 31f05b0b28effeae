"""Public keys of OpenID Connect issuers, from their discovery documents."""

from .fetch import FetchedIssuers

__all__ = ["FetchedIssuers"]
