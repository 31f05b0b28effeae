"""Python packages for pip, uv, twine and whoever speaks the Simple API."""

from .app import create_app

__all__ = ["create_app"]
