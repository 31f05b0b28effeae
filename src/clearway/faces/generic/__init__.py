"""Artifacts as plain files by digest: GET and HEAD with Range, for curl and everything like it."""

from .app import create_app

__all__ = ["create_app"]
