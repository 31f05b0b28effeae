"""What the catalog tells the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Diff, Event


@dataclass(frozen=True)
class Removing(Event):
    """Something is about to leave the catalog; a subscriber that still needs it raises Conflict."""

    kind: str
    name: str


@dataclass(frozen=True)
class CatalogChanged(Event):
    """Documents were applied, and these objects are others now."""

    diffs: tuple[Diff, ...]
