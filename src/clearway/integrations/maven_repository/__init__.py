"""Fetches the files that Maven builds use."""

from .repository import Mirror, address_of

__all__ = ["Mirror", "address_of"]
