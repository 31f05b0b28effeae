"""The overview is computed once for everybody, and nobody waits for one that is hardly out of date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import releases
from clearway.web.snapshot import FRESH_S, Snapshot


class World:
    """A clock that is set, work that waits until it is done, and an overview that counts."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.takes = 0.0
        self.computed = 0
        self.waiting: list[Callable[[], None]] = []
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None
        monkeypatch.setattr(releases, "overview", self.overview)
        database = make_database(folder)
        self.snapshot = Snapshot(database, clock=lambda: self.now, beside=self.waiting.append)

    def overview(self, _uow: Any) -> Any:
        """The number of the look."""
        if self.fails:
            raise RuntimeError("no database")
        self.now += self.takes
        self.computed += 1
        self.meanwhile()
        return self.computed

    def look(self, after: float = 0.0) -> Any:
        """Somebody looks, so many seconds later."""
        self.now += after
        return self.snapshot.overview()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_it_is_computed_once_while_it_is_fresh(world: World) -> None:
    """For a second; for ten times as long as it took when that is more."""
    assert [world.look(), world.look(FRESH_S / 2)] == [1, 1]
    world.takes = 0.5
    assert world.look(10) == 2
    assert world.look(4.9) == 2
    assert world.waiting == []


def test_what_is_hardly_out_of_date_is_shown_while_the_next_is_computed(world: World) -> None:
    """One thread renews it, however many look; then the new one is shown."""
    world.look()
    assert [world.look(FRESH_S * 1.1), world.look()] == [1, 1]
    assert len(world.waiting) == 1
    world.waiting.pop()()
    assert world.look() == 2
    assert world.computed == 2


def test_what_is_long_out_of_date_is_never_shown(world: World) -> None:
    """The first one who comes after a pause waits for a new look."""
    world.look()
    assert world.look(FRESH_S * 2.1) == 2


def test_a_change_is_seen_at_once_even_when_it_comes_while_a_look_is_computed(world: World) -> None:
    """A look that began before the change is not kept."""
    world.look()
    world.snapshot.forget()
    assert world.look() == 2
    world.look(FRESH_S * 1.1)
    world.meanwhile = world.snapshot.forget
    world.waiting.pop()()
    world.meanwhile = lambda: None
    assert world.look() == 4


def test_a_look_that_fails_beside_is_told_to_whoever_asks_next(world: World) -> None:
    """The old one is shown as long as it may be; then the fault comes out, and afterwards all is well."""
    world.look()
    assert world.look(FRESH_S * 1.1) == 1
    world.fails = True
    world.waiting.pop()()
    assert world.look() == 1
    assert len(world.waiting) == 1
    with pytest.raises(RuntimeError):
        world.look(FRESH_S)
    world.fails = False
    assert world.look() == 2
