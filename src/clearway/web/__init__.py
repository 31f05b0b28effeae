"""The pages: what people see and press. Knows only the doors of the rooms below."""

from .app import create_app

__all__ = ["create_app"]
