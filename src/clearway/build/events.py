"""What builds tell the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Event

from .model import Status


@dataclass(frozen=True)
class BuildFinished(Event):
    """A build ended, well or not."""

    build_id: str
    service: str
    status: Status
    version: str | None
    commit: str | None
    reproduced: bool | None
