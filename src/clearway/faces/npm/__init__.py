"""npm packages for npm, pnpm, yarn and whoever speaks their registry's language."""

from .app import create_app

__all__ = ["create_app"]
