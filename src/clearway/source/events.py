"""What the source tells the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Event

from .refs import RefMove


@dataclass(frozen=True)
class HistoryMoved(Event):
    """A repository's branches and tags were seen in other places than before."""

    repository: str
    moves: tuple[RefMove, ...]
