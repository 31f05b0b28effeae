"""What forges tell us: signed webhooks, each a hint to fetch and facts about a pull request."""

from .app import create_app

__all__ = ["create_app"]
