"""Whose turn it is: builds wait as rows, and slots are handed out fairly by team, within each pool."""

from .hand_out import RUN, hand_out, on_catalog_changed, tend
from .places import Spot, spot_of, spots

__all__ = ["RUN", "Spot", "hand_out", "on_catalog_changed", "spot_of", "spots", "tend"]
