"""What access tells the rooms above."""

from __future__ import annotations

from dataclasses import dataclass

from clearway.kernel import Event


@dataclass(frozen=True)
class PeopleChanged(Event):
    """People or roles were declared anew: who may do what is another question now."""
