"""No history is walked while the write lock is held: everybody else would wait for it."""

from __future__ import annotations

from typing import Any

import pytest
from house import DANA, House

from clearway import releases, source
from clearway.kernel import NotFound
from clearway.releases.service import planning


@pytest.fixture
def walks(house: House, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each walk over a history, whether it kept the writers waiting."""
    found: list[bool] = []
    whole = source.commits_between

    def seen(*args: Any, **more: Any) -> Any:
        found.append(house.database._writers.locked())
        return whole(*args, **more)

    monkeypatch.setattr(source, "commits_between", seen)
    return found


def test_a_release_is_made_of_a_history_that_was_read_before(house: House, walks: list[bool]) -> None:
    """Its notes and its authors need the walk, and find it done."""
    build_id = house.build("1.0.0")
    with house.database.read() as uow:
        releases.ahead_of_release(uow, "shop", build_id=build_id)
    with house.database.begin() as uow:
        made = releases.create(uow, DANA, "shop", build_id=build_id)
    assert walks
    assert not any(walks)
    assert made.authors


def test_promotions_are_planned_with_a_history_that_was_read_before(house: House, walks: list[bool]) -> None:
    """Asked for by a person, and going on by themselves."""
    for version in ("1.0.0", "1.1.0"):
        house.commit(f"feat: {version}")
        house.release(version)
        planning._change_set.cache_clear()
        walks.clear()
        with house.database.read() as uow:
            releases.ahead_of_promotion(uow, "shop", version, "dev")
        house.promote(version, "dev")
        house.wait(60)
        planning._change_set.cache_clear()  # another worker, or this one restarted
        house.approve(house.at("uat")[0].id)
        house.wait(60)
        assert house.at("uat")[0].state == "succeeded"
        assert len(walks) >= 2
        assert not any(walks)


def test_the_evaluator_is_awake_before_the_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process starts while nobody waits; the gates themselves are asked within the write."""
    asked: list[tuple[bool, bool]] = []
    whole = house.evaluator.evaluate

    def seen(rules: Any, facts: Any, *more: Any) -> Any:
        asked.append((house.database._writers.locked(), bool(facts)))
        return whole(rules, facts, *more)

    monkeypatch.setattr(house.evaluator, "evaluate", seen)
    house.release("1.0.0")
    with house.database.read() as uow:
        releases.ahead_of_promotion(uow, "shop", "1.0.0", "dev")
    house.promote("1.0.0", "dev")
    house.step()
    assert asked[:4] == [(False, False), (True, True), (False, False), (True, True)]


def test_reading_ahead_says_nothing(house: House) -> None:
    """What is wrong is said by the write itself, which may also only repeat an earlier answer."""
    with house.database.read() as uow:
        releases.ahead_of_release(uow, "shop", version="9.9.9")
        releases.ahead_of_release(uow, "nothing", build_id="bld_none")
        releases.ahead_of_promotion(uow, "shop", "9.9.9", "dev")
    with house.database.begin() as uow, pytest.raises(NotFound):
        releases.create(uow, DANA, "shop", version="9.9.9")
