"""Whoever waits learns what changed: from other rooms, in small batches, and without unwanted words."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from house import OTTO, QUIN, ROOT, VERA, House, Steps

from clearway import access, config, ledger, releases, workflow
from clearway.kernel import SYSTEM, Conflict, Refused, Retry
from clearway.releases import flows, service, store
from clearway.releases.service import waking

UAT = "{kind: Environment, name: uat, order: 2, promotion: automatic, gates: [tests-passed]%s}"


def waiting(house: House) -> releases.Promotion:
    """A promotion to uat that waits for its approval."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    [found] = house.at("uat")
    assert found.state == "waiting-approval"
    return found


def test_a_rule_that_is_dropped_lets_go(house: House) -> None:
    """Nobody has to sign any more, so nobody waits."""
    promotion = waiting(house)
    house.apply(UAT % ", strategy: {kind: recreate}")
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def set_value(house: House) -> None:
    with house.database.begin() as uow:
        config.set_value(uow, ROOT, "shop", "uat", "GREETING", "Hi", "marketing")


def set_value_for_all(house: House) -> None:
    with house.database.begin() as uow:
        config.set_value(uow, ROOT, None, "uat", "GREETING", "Hi", "marketing")


def set_secret(house: House) -> None:
    with house.database.begin() as uow:
        config.set_secret(uow, ROOT, "shop", "uat", "API_KEY", "a secret", "rotation")


def change_gate(house: House) -> None:
    house.apply("{kind: Gate, name: tests-passed, rule: 'true', reason: we trust}")


def change_service(house: House) -> None:
    house.apply(
        "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard, port_base: 9000}"
    )


def change_dependant(house: House) -> None:
    """till needs the cart, which needs the shop; now the till is gone from those who are affected."""
    house.apply("{kind: Service, name: cart, team: store, repository: /nowhere, route: standard}")


@pytest.mark.parametrize(
    "change", [set_value, set_value_for_all, set_secret, change_gate, change_service, change_dependant]
)
def test_nobody_is_shown_a_plan_that_is_known_to_be_stale(house: House, change) -> None:
    """What a plan is made of changed: the plan is made again before anybody signs it."""
    promotion = waiting(house)
    change(house)
    house.run()
    now = house.look(promotion.id)
    assert now.plan_hash != promotion.plan_hash
    assert now.state == "waiting-approval"


def test_a_change_elsewhere_wakes_nobody(house: House) -> None:
    """A value of another place, a document that says the same: no look."""
    promotion = waiting(house)
    with house.database.begin() as uow:
        config.set_value(uow, ROOT, "shop", "prod", "GREETING", "Hi", "marketing")
    house.apply(
        "{kind: Gate, name: tests-passed, rule: evidence.tests.failed == 0,"
        " reason: untested software is a guess}"
    )
    house.run()
    assert house.look(promotion.id).revision == promotion.revision


def test_an_approval_counts_again_when_the_role_comes_back(house: House) -> None:
    """People and roles wake those who wait for people."""
    promotion = waiting(house)
    house.approve(promotion.id, QUIN)
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="quin", roles=["viewer"])])
    house.wait(60)
    assert house.look(promotion.id).state == "waiting-approval"
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="quin", roles=["approver"])])
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def many(house: House, number: int) -> list[str]:
    """Copies of one waiting promotion, for other services."""
    promotion = waiting(house)
    with house.database.begin() as uow:
        table = store.promotions
        row = dict(uow.connection.execute(sa.select(table).where(table.c.id == promotion.id)).one()._mapping)
        rows = [
            row | {"id": f"{promotion.id}{each:03}", "service": f"s{each}", "environment": f"e{each}"}
            for each in range(number)
        ]
        uow.connection.execute(table.insert(), rows)
    return [promotion.id, *(each["id"] for each in rows)]


def test_many_are_woken_some_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction a batch, each one once; the fact itself locks and reads none of them."""
    monkeypatch.setattr(waking, "BATCH", 3)
    ids = many(house, 7)
    sizes: list[int] = []
    whole = service.wake_batch

    def counted(uow: Any, ids: Any) -> None:
        before = len(house.queue.waiting)
        whole(uow, ids)
        sizes.append(len(house.queue.waiting) - before)

    monkeypatch.setattr(service, "wake_batch", counted)
    with house.database.begin() as uow:
        assert releases.reconsider(uow) == 8
    [(flow, key, args)] = house.queue.waiting
    assert flow == "releases.wake"
    house.queue.waiting.clear()
    flows.wake(house.database, Steps(key), **args)
    assert sizes == [3, 3, 2]
    assert sorted(args["promotion_id"] for _, _, args in house.queue.waiting) == sorted(ids)


def test_a_batch_that_fails_goes_on_a_minute_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it stood, not from the start; nobody is forgotten."""
    monkeypatch.setattr(waking, "BATCH", 3)
    ids = many(house, 7)
    whole, asked = service.wake_batch, []

    def failing(uow: Any, promotion_ids: list[str]) -> None:
        asked.append(promotion_ids)
        if len(asked) == 2:
            raise Retry("the database is busy")
        whole(uow, promotion_ids)

    monkeypatch.setattr(service, "wake_batch", failing)
    with house.database.begin() as uow:
        releases.reconsider(uow)
    house.step()
    house.clock.advance(61)
    workflow.wake_due(house.database)
    [again] = [each for each in house.queue.waiting if each[0] == "releases.wake"]
    flows.wake(house.database, Steps(again[1]), **again[2])
    started = [args["promotion_id"] for flow, _, args in house.queue.waiting if flow == "releases.advance"]
    assert asked[1] == asked[2] == ids[3:6]
    assert sorted(started) == ids


def test_a_fault_keeps_its_words_for_the_log(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements and values of a fault are neither on the promotion nor in the ledger, for ever."""
    promotion = waiting(house)

    def broken(*_: Any) -> None:
        raise sa.exc.IntegrityError("INSERT INTO t [SQL: secret words]", {"value": "hunter2"}, Exception())

    monkeypatch.setattr(service, "advance", broken)
    house.approve(promotion.id)
    while house.queue.waiting:
        house.step()
    now = house.look(promotion.id)
    assert now.state == "waiting-approval"
    assert now.why == (
        "it could not be looked at: an unexpected fault (IntegrityError); the worker's log has it whole"
    )
    with house.database.read() as uow:
        assert "hunter2" not in str(ledger.entries(uow, limit=1000).items)


def going_back(house: House) -> releases.Promotion:
    """A rollback that waits."""
    for version in ("1.0.0", "1.1.0"):
        house.commit(f"feat: {version}")
        house.release(version)
        house.promote(version, "dev")
        house.wait(60)
    with house.database.begin() as uow:
        return releases.rollback(uow, OTTO, "shop", "dev", "smoke")


def test_only_those_who_may_go_back_stop_a_rollback(house: House) -> None:
    """Neither a developer's cancel nor an approver's reject stands between on-call and the way back."""
    asked = going_back(house)
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="vera", roles=["developer"])])
    with house.database.begin() as uow:
        with pytest.raises(Refused, match="deployment:rollback"):
            releases.cancel(uow, VERA, asked.id)
        with pytest.raises(Refused, match="deployment:rollback"):
            releases.reject(uow, QUIN, asked.id)
        assert releases.cancel(uow, OTTO, asked.id).state == "cancelled"


def test_the_database_knows_that_the_same_is_asked_for_once(house: House) -> None:
    """Two people in one moment: the second is told so, whatever the look before said."""
    promotion = waiting(house)
    for change in ({}, {"kind": "rollback"}):
        with house.database.begin() as uow:
            one = store.promotion(uow, promotion.id)
            twin = {**vars(one), "id": f"{promotion.id}x{len(change)}", **change}
            if change:
                store.add_promotion(uow, releases.Promotion(**twin))
                twin |= {"id": f"{promotion.id}y", "release_id": one.release_id}
            with pytest.raises(Conflict, match="already; it was asked for just now"):
                store.add_promotion(uow, releases.Promotion(**twin))
