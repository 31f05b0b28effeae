"""Slots are handed out fairly: teams take turns, the oldest of a team is next, limits hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import PLATFORM, House
from hypothesis import given
from hypothesis import strategies as st

from clearway import build, workflow
from clearway.build.lanes.order import Head, Lanes, in_order
from clearway.kernel import SYSTEM

MORE = """
{kind: Team, name: tools}
---
{kind: Team, name: slow, builds: 1}
---
{kind: Pool, name: big, slots: 3}
---
{kind: Service, name: drill, team: tools, repository: /nowhere, route: standard}
---
{kind: Service, name: snail, team: slow, repository: /nowhere, route: standard}
---
{kind: Service, name: snail-too, team: slow, repository: /nowhere, route: standard, pool: big}
---
{kind: Service, name: heavy, team: tools, repository: /nowhere, route: standard, pool: big}
"""


class Shops(House):
    """A house where builds are asked for and ended by name."""

    def ask(self, service: str, count: int = 1) -> list[str]:
        """Ask for builds; their ids."""
        found = []
        for _ in range(count):
            with self.database.begin() as uow:
                found.append(build.request(uow, SYSTEM, service).id)
        return found

    def started(self) -> list[str]:
        """The builds that were started, in order."""
        return [key for flow, key, _ in self.queue.waiting if flow == "build.run"]

    def end(self, build_id: str) -> None:
        """One ends."""
        from clearway.build.service import close

        with self.database.begin() as uow:
            close(uow, SYSTEM, build_id, status="failed", error="test")

    def service_of(self, build_id: str) -> str:
        """Whose it is."""
        with self.database.read() as uow:
            return build.get(uow, build_id).service

    def run_all(self) -> list[str]:
        """End what runs, oldest start first, until nothing waits; the services in the order of starts."""
        at = 0
        while at < len(self.started()):
            self.end(self.started()[at])
            at += 1
        return [self.service_of(each) for each in self.started()]


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[Shops]:
    house = Shops(tmp_path, platform=PLATFORM + "---" + MORE)
    house.database.tools[build.Workshop] = build.Workshop(tmp_path / "builds")
    yield house
    house.database.dispose()


def test_a_pool_has_so_many_slots(shops: Shops) -> None:
    """Two at once where nothing else is said, three in a pool of three; the rest are rows without a flow."""
    first = shops.ask("shop", 5)
    heavy = shops.ask("heavy", 5)
    assert shops.started() == [*first[:2], *heavy[:3]]
    with shops.database.read() as uow:
        assert build.get(uow, first[1]).slot_at is not None
        assert build.get(uow, first[2]).slot_at is None
    shops.end(first[0])
    assert shops.started()[5:] == [first[2]]


def test_teams_take_turns(shops: Shops) -> None:
    """A team that asked for twenty delays the one that asked for two by a turn, not by twenty."""
    shops.ask("shop", 20)
    shops.ask("drill", 2)
    order = shops.run_all()
    assert order[:6] == ["shop", "shop", "drill", "shop", "drill", "shop"]
    assert Counter(order) == {"shop": 20, "drill": 2}


def test_a_team_has_its_limit_in_all_pools_together(shops: Shops) -> None:
    """One at a time, wherever; others use the slots meanwhile."""
    slow = shops.ask("snail", 2) + shops.ask("snail-too", 2)
    drill = shops.ask("drill", 3)
    assert shops.started() == [slow[0], drill[0]]
    shops.end(slow[0])
    assert shops.started()[2:] == [slow[2], drill[1]], "its turn in the other pool was longer ago"
    shops.end(drill[0])
    assert shops.started()[4:] == [drill[2]], "the team is at its limit: others go on"


def test_the_place_in_the_queue_is_the_order_that_follows(shops: Shops) -> None:
    """What is shown is what happens, as long as nobody else asks."""
    asked = shops.ask("shop", 6) + shops.ask("drill", 3)
    with shops.database.read() as uow:
        places = build.spots(uow, asked)
    assert len(places) == 7
    assert {each.waiting for each in places.values()} == {7}
    wanted = sorted(places, key=lambda each: places[each].position)
    shops.run_all()
    assert shops.started()[2:] == wanted
    with shops.database.read() as uow:
        assert build.spots(uow, asked) == {}


def test_one_that_waits_can_be_stopped(shops: Shops) -> None:
    """It leaves the queue without having had a slot, and takes none from others."""
    asked = shops.ask("shop", 4)
    with shops.database.begin() as uow:
        assert build.cancel(uow, SYSTEM, asked[2]).status == "cancelled"
    shops.end(asked[0])
    assert shops.started() == [asked[0], asked[1], asked[3]]


def test_more_slots_are_used_at_once(shops: Shops) -> None:
    """Raising a limit starts who waits, in the same transaction; lowering it stops nobody."""
    from clearway.build.lanes import on_catalog_changed
    from clearway.catalog import CatalogChanged

    shops.database.bus.subscribe(CatalogChanged, on_catalog_changed)
    asked = shops.ask("heavy", 6)
    shops.apply("{kind: Pool, name: big, slots: 5}")
    assert shops.started() == asked[:5]
    shops.apply("{kind: Pool, name: big, slots: 1}")
    assert shops.started() == asked[:5]
    shops.end(asked[0])
    assert shops.started() == asked[:5]


def test_what_a_crash_left_is_handed_out_by_looking(shops: Shops) -> None:
    """Slots are counted from rows: whoever looks finds what is free, and twice changes nothing."""
    asked = shops.ask("shop", 3)
    with shops.database.begin() as uow:
        from clearway.build.store import change_open

        change_open(uow, asked[0], status="failed")  # as if the end was committed without its hand-out
    build.tend(shops.database)
    build.tend(shops.database)
    assert shops.started() == asked


def test_a_service_names_a_pool_that_is_there(shops: Shops) -> None:
    """A pool that nobody declared would never have a slot."""
    from clearway.kernel import Invalid

    with pytest.raises(Invalid, match="unknown Pool none"):
        shops.apply("{kind: Service, name: x, team: tools, repository: /x, route: standard, pool: none}")


def test_room_is_counted_by_workers() -> None:
    """The setting is for one worker; without an engine it is two."""
    assert workflow.BUILDS == 2


Asked = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("PQ")), max_size=60)


@given(Asked, st.integers(1, 4), st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3)))
def test_nobody_starves_and_no_limit_breaks(
    asked: list[tuple[str, str]], slots: int, most: dict[str, int]
) -> None:
    """Whatever is asked for: all get a slot once, no limit is passed, and between two turns of a team
    without a limit every other team of that pool that waited had one."""
    lanes = Lanes({"P": slots, "Q": slots}, most)
    waiting = [Head(pool, team, f"{number:03}") for number, (team, pool) in enumerate(asked)]
    running: list[Head] = []
    served: list[Head] = []
    while waiting or running:
        heads: dict[tuple[str, str], Head] = {}
        for each in waiting:
            heads.setdefault((each.pool, each.team), each)
        found = lanes.next(heads.values())
        if found is None:
            assert running, "nobody runs, and yet nobody may"
            ended = running.pop(0)
            lanes.busy_pools[ended.pool] -= 1
            lanes.busy_teams[ended.team] -= 1
            continue
        _nobody_was_passed_over(found, waiting, served, most)
        lanes.take(found)
        waiting.remove(found)
        running.append(found)
        served.append(found)
        assert lanes.busy_pools[found.pool] <= slots
        assert all(lanes.busy_teams.get(team, 0) <= limit for team, limit in most.items())
    assert len(served) == len(asked)


def _nobody_was_passed_over(found: Head, waiting: list[Head], served: list[Head], most: Any) -> None:
    """Since this team's last turn in the pool, each other one without a limit that waits was served."""
    last = max((at for at, each in enumerate(served) if _lane(each) == _lane(found)), default=None)
    if last is None:
        return
    since = {each.team for each in served[last + 1 :] if each.pool == found.pool}
    others = {each.team for each in waiting if each.pool == found.pool and each.team != found.team}
    assert others - set(most) <= since


def _lane(head: Head) -> tuple[str, str]:
    return head.pool, head.team


@given(st.lists(st.sampled_from("abc"), max_size=40), st.dictionaries(st.sampled_from("abc"), st.integers(0)))
def test_the_shown_order_is_the_served_order(teams: list[str], turns: dict[str, int]) -> None:
    """With one slot and no limits, places are what hand-out does."""
    turns = {team: number for number, team in enumerate(sorted(turns, key=lambda each: turns[each]))}
    waiting = [(f"{number:03}", team) for number, team in enumerate(teams)]
    lanes = Lanes({"P": 1000}, {}, turns={("P", team): turn for team, turn in turns.items()})
    left = [Head("P", team, each) for each, team in waiting]
    served = []
    while left:
        heads: dict[str, Head] = {}
        for each in left:
            heads.setdefault(each.team, each)
        found = lanes.next(heads.values())
        assert found is not None
        lanes.take(found)
        left.remove(found)
        served.append(found.build_id)
    assert in_order(waiting, turns) == served
