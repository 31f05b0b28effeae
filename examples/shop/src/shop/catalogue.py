"""What is for sale."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One thing for sale; money is whole cents."""

    name: str
    cents: int


ITEMS = (Item("tea", 320), Item("coffee", 410), Item("cake", 450), Item("water", 150), Item("juice", 380))


def price(cents: int) -> str:
    """Cents as people write them."""
    return f"{cents // 100}.{cents % 100:02d}"
