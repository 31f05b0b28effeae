"""What the rooms on top share: a small house in which builds have a workshop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House

from clearway.build import Workshop


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.database.tools[Workshop] = Workshop(tmp_path / "builds")
    yield house
    house.database.dispose()
