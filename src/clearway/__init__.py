"""Clearway: the way of a software change from commit to production, and back."""

__version__ = "0.1.0"
