"""Runs flows and chores: the process beside the server."""

from .service import work

__all__ = ["work"]
