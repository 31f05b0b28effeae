"""The way of a release on PostgreSQL: the same states, and no event falls between a look and its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import OTTO, QUIN, RITA, House

from clearway import releases
from clearway.releases.service import advance

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, postgres=True)
    yield house
    house.database.dispose()


def test_a_release_travels_its_route_and_back(house: House) -> None:
    """Dev, uat, prod; then a second one in dev, and back."""
    house.release("1.0.0")
    house.to("prod", "1.0.0")
    assert [house.at(name)[0].state for name in ("dev", "uat", "prod")] == ["succeeded"] * 3
    house.commit("feat: gifts")
    house.release("1.1.0")
    house.promote("1.1.0", "dev")
    house.wait(60)
    with house.database.begin() as uow:
        back = releases.rollback(uow, OTTO, "shop", "dev", "smoke")
    house.wait(60)
    assert house.look(back.id).state == "succeeded"
    with house.database.read() as uow:
        row = next(each for each in releases.overview(uow).services if each.service == "shop")
        chain = releases.trace(uow, "1.0.0")
    assert row.environments["dev"].version == "1.0.0"
    assert {"approval", "commit", "author", "evidence"} <= {link.kind for link in chain.links}


def test_two_approvals_at_the_same_moment_both_count(house: House) -> None:
    """Each signs in a transaction of its own while a worker looks; whoever is last, the promotion moves."""
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 2},"
        " gates: [tests-passed], strategy: {kind: recreate}}"
    )
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    promotion = house.at("uat")[0]
    gate = threading.Barrier(3)

    def sign(actor) -> None:
        gate.wait()
        house.approve(promotion.id, actor, promotion.plan_hash)

    def look() -> None:
        gate.wait()
        with house.database.begin() as uow:
            advance(uow, promotion.id, promotion.revision)

    threads = [threading.Thread(target=sign, args=(actor,)) for actor in (RITA, QUIN)]
    threads.append(threading.Thread(target=look))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    house.wait(60)
    done = house.look(promotion.id)
    assert {each.actor for each in done.standing} == {"rita", "quin"}
    assert done.state == "succeeded"
