"""What rooms tell the rooms above them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Base of every event. An event is published inside the transaction of the fact it tells."""
