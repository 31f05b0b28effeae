"""What the machine collects from the rooms."""

from __future__ import annotations

from clearway.wiring import rooms


def test_every_chore_has_its_own_name_and_the_ledger_is_signed() -> None:
    """Two chores of one name would hide each other in logs; an unsigned ledger could be cut unseen."""
    names = [chore.name for chore in rooms.collect_chores()]
    assert len(set(names)) == len(names)
    assert "ledger.sign" in names


def test_every_flow_has_its_own_name() -> None:
    """Collecting refuses two rooms that claim one; every name says its room first."""
    assert all(name.partition(".")[0] in rooms.ROOMS for name in rooms.collect_flows())
