"""Traffic through Envoy, by file."""

from .router import EnvoyRouter

__all__ = ["EnvoyRouter"]
