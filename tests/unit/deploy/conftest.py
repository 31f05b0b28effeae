"""A world of fakes for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rollouts import World

from clearway.deploy import acts


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "HEALTH_WAIT_S", 0.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.database.dispose()
