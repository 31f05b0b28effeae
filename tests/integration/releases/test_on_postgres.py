"""The way of a release on PostgreSQL: the same states, and no event falls between a look and its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from house import DANA, OTTO, QUIN, RITA, ROOT, House

from clearway import config, ledger, releases
from clearway.build import BuildFinished
from clearway.kernel import SYSTEM, ClearwayError, Conflict
from clearway.releases.service import advance, make_plan, reconsider
from clearway.releases.service.promote import open_promotion
from clearway.storage import UnitOfWork

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


def at_once(*acts: Callable[[], object]) -> list[ClearwayError]:
    """Each in a thread of its own, begun together; returns what they raised."""
    gate = threading.Barrier(len(acts))
    raised: list[ClearwayError] = []

    def run(act: Callable[[], object]) -> None:
        gate.wait()
        try:
            act()
        except ClearwayError as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return raised


def test_two_people_ask_for_the_same_in_one_moment(house: House) -> None:
    """One promotion is made; the other is told that it is on its way."""
    house.release("1.0.0")
    asked = [partial(house.promote, "1.0.0", "dev", actor) for actor in (DANA, RITA)]
    raised = at_once(*asked)
    assert [type(each) for each in raised] == [Conflict]
    assert len(house.at("dev")) == 1


def test_two_people_go_back_in_one_moment(house: House) -> None:
    """To the same or to another version: one rollback is made."""
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        house.commit(f"feat: {version}")
        house.release(version)
        house.promote(version, "dev")
        house.wait(60)

    def back(to: str | None) -> None:
        with house.database.begin() as uow:
            releases.rollback(uow, OTTO, "shop", "dev", "smoke", to)

    raised = at_once(partial(back, None), partial(back, "1.0.0"))
    assert [type(each) for each in raised] == [Conflict]
    assert [each.kind for each in house.at("dev")].count("rollback") == 1


def held_at_the_head(house: House, facts: Callable[[UnitOfWork], object], sign: Callable[[], object]) -> None:
    """Someone records a fact and has the ledger's head when a signer has the promotion and wants the head."""
    appended, signing = threading.Event(), threading.Event()

    def record() -> None:
        with house.database.begin() as uow:
            ledger.append(uow, SYSTEM, "test.fact", "test:1")
            appended.set()
            assert signing.wait(30)
            facts(uow)

    def signed() -> None:
        assert appended.wait(30)
        with waits_for_the_head(house, signing):
            sign()

    raised = at_once(record, signed)
    assert raised == []


@contextmanager
def waits_for_the_head(house: House, told: threading.Event) -> Iterator[None]:
    """Tell when another connection of the database waits for a lock, or after a while."""

    def look() -> None:
        query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        until = time.monotonic() + 20
        with house.database.engine.connect() as connection:
            while time.monotonic() < until and not told.is_set():
                if connection.exec_driver_sql(query).scalar_one():
                    told.set()
                connection.rollback()
                told.wait(0.02)
        told.set()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=30)


def wait_for_signature(house: House) -> releases.Promotion:
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    return house.at("uat")[0]


def test_a_newer_request_and_a_signature_do_not_lock_each_other_out(house: House) -> None:
    """The request wakes the older one whose row the signer holds: nobody is thrown out as a deadlock."""
    older = wait_for_signature(house)
    house.commit("feat: gifts")
    newer = house.release("1.1.0")

    def ask(uow: UnitOfWork) -> None:
        plan = make_plan(uow, newer, "uat", requested_by="dana")
        open_promotion(uow, DANA, newer, plan, "because", DANA)

    held_at_the_head(house, ask, partial(house.approve, older.id, QUIN))
    assert house.look(older.id).standing


@pytest.mark.parametrize("fact", ["build", "calendar", "configuration"])
def test_a_fact_and_a_signature_do_not_lock_each_other_out(house: House, fact: str) -> None:
    """Whatever wakes the promotion, it waits for no row while it holds the ledger's head."""
    waiting = wait_for_signature(house)

    def told(uow: UnitOfWork) -> None:
        if fact == "build":
            uow.publish(BuildFinished("bld_1", "shop", "succeeded", "1.1.0", None, None))
        elif fact == "calendar":
            reconsider(uow)
        else:
            config.set_value(uow, ROOT, "shop", "uat", "GREETING", "Hi", "because")

    held_at_the_head(house, told, partial(house.approve, waiting.id, QUIN))
    assert house.look(waiting.id).approvals
