"""What configuration tells the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Event


@dataclass(frozen=True)
class ConfigChanged(Event):
    """A layer says something else now."""

    service: str | None  # None: every service
    environment: str | None  # None: every environment
    key: str
