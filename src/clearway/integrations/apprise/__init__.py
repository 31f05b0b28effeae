"""Apprise: webhooks, mail and chat services."""

from .sender import AppriseSender

__all__ = ["AppriseSender"]
