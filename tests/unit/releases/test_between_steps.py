"""Freezes, windows and gates are asked again before every step of a deployment; going back is always free."""

from __future__ import annotations

import pytest
from house import DANA, OTTO, RITA, VERA, House

from clearway import changes, deploy, ledger, releases
from clearway.kernel import Conflict, Refused
from clearway.policy import Evaluator

ROLLING = (
    "{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 1},"
    " gates: [tests-passed], strategy: {kind: rolling}, instances: 2}"
)
FREEZE = """
kind: Calendar
name: stop
freezes: [{name: audit, reason: auditors are here, days: [mon, tue, wed, thu, fri, sat, sun]}]
"""
THAW = "{kind: Calendar, name: stop}"


CANARY = ROLLING.replace("{kind: rolling}", "{kind: canary, steps: [{weight: 50, hold: 1h}, {weight: 100}]}")


def deploying(house: House, environment: str = ROLLING) -> releases.Promotion:
    """A promotion to uat that has begun."""
    house.apply(environment)
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.commit("feat: gifts")
    house.release("1.1.0")
    house.promote("1.1.0", "dev")
    house.wait(60)
    promotion = house.at("uat")[0]
    house.approve(promotion.id)
    while house.look(promotion.id).state != "deploying":
        house.step()
    return house.look(promotion.id)


def test_a_freeze_that_appears_between_steps_holds_the_deployment(house: House) -> None:
    """It stands where it is, with the reason, and goes on when the freeze is lifted."""
    promotion = deploying(house)
    house.apply(FREEZE)
    starts = len(house.target.starts)
    house.wait(60)
    with house.database.read() as uow:
        held = deploy.deployment(uow, promotion.deployment_id)
    assert held.state == "held"
    assert "auditors are here" in held.reason
    assert len(house.target.starts) == starts
    house.apply(THAW)
    house.wait(120)
    assert house.look(promotion.id).state == "succeeded"


def test_a_gate_that_turns_to_no_between_steps_holds_the_deployment(house: House) -> None:
    """Also when it fails with an error: a doubt is a no."""
    promotion = deploying(house)
    with house.database.read() as uow:
        assert releases.permit(uow, promotion.deployment_id).go
    house.evaluator.answers["evidence.tests.failed == 0"] = False
    with house.database.read() as uow:
        refused = releases.permit(uow, promotion.deployment_id)
    assert not refused.go
    assert "untested software is a guess" in refused.reason
    house.evaluator.answers.pop("evidence.tests.failed == 0")
    with house.database.read() as uow:
        assert not releases.permit(uow, promotion.deployment_id).go
        assert not releases.permit(uow, "dep_unknown").go


def test_what_cannot_be_found_out_holds(house: House) -> None:
    """No evaluator at all, or an environment that is gone, never lets a step pass."""
    promotion = deploying(house)
    evaluator = house.database.tools.pop(Evaluator)
    with house.database.read() as uow:
        answer = releases.permit(uow, promotion.deployment_id)
    assert not answer.go
    assert "cannot be found out" in answer.reason
    house.database.tools[Evaluator] = evaluator


def test_a_freeze_holds_what_waits_and_tells_until_when(house: House) -> None:
    """A promotion that is approved waits for the window, and moves by itself when it opens."""
    house.apply(
        "{kind: Calendar, name: office, windows: [{from: '12:00', to: '13:00'}],"
        " applies_to: {environments: [uat]}}"
    )
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    promotion = house.at("uat")[0]
    house.approve(promotion.id)
    house.run()
    waiting = house.look(promotion.id)
    assert waiting.state == "waiting-window"
    assert waiting.wake_at is not None
    assert waiting.wake_at.hour == 12
    house.wait(3600 * 3 + 60, 600)
    assert house.look(promotion.id).state == "succeeded"


def test_a_changed_calendar_wakes_those_who_wait_for_it(house: House) -> None:
    """Lifting the freeze is enough; nobody waits for the old wake-up time."""
    house.apply(FREEZE)
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    promotion = house.at("uat")[0]
    house.approve(promotion.id)
    house.run()
    assert house.look(promotion.id).state == "waiting-window"
    house.apply(THAW)
    house.run()
    assert house.look(promotion.id).state == "succeeded"


def test_overriding_a_freeze_needs_its_own_permission(house: House) -> None:
    """And makes the change an emergency of high risk, in the plan that people sign."""
    house.apply(FREEZE)
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    with house.database.begin() as uow:
        releases.cancel(uow, DANA, house.at("uat")[0].id)
    with pytest.raises(Refused):
        house.promote("1.0.0", "uat", OTTO, override_freeze=True)
    promotion = house.promote("1.0.0", "uat", override_freeze=True)
    with house.database.read() as uow:
        change = changes.change_request(uow, promotion.id)
    assert change.kind == "emergency"
    assert "a freeze is overridden" in change.risk.reasons
    house.approve(promotion.id)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def two_releases(house: House, compatibility: str = "") -> None:
    """1.0.0, then 1.1.0 in dev."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    house.commit("feat: gifts", definition(compatibility))
    house.release("1.1.0")
    house.promote("1.1.0", "dev")
    house.wait(60)


def definition(compatibility: str) -> str:
    return f"service: shop\nbuild: {{recipe: make}}\nprocess: {{command: [./shop]}}\n{compatibility}\n"


def back(house: House, to: str | None = None, actor=OTTO, environment: str = "dev") -> releases.Promotion:
    with house.database.begin() as uow:
        return releases.rollback(uow, actor, "shop", environment, "customers complain", to)


def test_on_call_goes_back_without_asking_anybody(house: House) -> None:
    """Planned and recorded like every promotion; no approval, no gate, no freeze in the way."""
    house.apply(
        "{kind: Environment, name: dev, order: 1, promotion: automatic, approvals: {count: 2},"
        " gates: [tests-passed], strategy: {kind: recreate}}"
    )
    house.apply(
        "{kind: Environment, name: dev, order: 1, promotion: automatic, gates: [tests-passed],"
        " strategy: {kind: recreate}}"
    )
    two_releases(house)
    house.apply(FREEZE)
    house.evaluator.answers["evidence.tests.failed == 0"] = False
    promotion = back(house)
    assert (promotion.kind, promotion.version) == ("rollback", "1.0.0")
    house.wait(60)
    done = house.look(promotion.id)
    assert done.state == "succeeded"
    assert done.plan["content"]["replaces_version"] == "1.1.0"
    with house.database.read() as uow:
        row = next(each for each in releases.overview(uow).services if each.service == "shop")
        change = changes.change_request(uow, promotion.id)
    assert row.environments["dev"].version == "1.0.0"
    assert change.kind == "rollback"


def test_only_those_who_operate_go_back(house: House) -> None:
    """Asking for promotions is not the permission to roll back."""
    two_releases(house)
    with pytest.raises(Refused):
        back(house, actor=VERA)
    assert back(house, actor=RITA).kind == "rollback"


def test_a_release_that_was_taken_back_is_not_gone_back_to(house: House) -> None:
    """After a rollback from 1.1.0 there is nothing good left to go back to but what runs."""
    two_releases(house)
    back(house)
    house.wait(60)
    with pytest.raises(Conflict, match="no earlier good release"):
        back(house)


def test_the_compatibility_range_forbids_going_back(house: House) -> None:
    """1.1.0 wrote data that 1.0.0 cannot read; the refusal says which, and what the plan knew before."""
    two_releases(house, "compatibility: {reads: [1, 2], writes: 2}")
    forward = house.at("dev")[0]
    assert forward.plan["rollback"]["possible"] is False
    with pytest.raises(Conflict, match=r"wrote data version 2, which 1\.0\.0 cannot read"):
        back(house)
    with pytest.raises(Conflict, match="wrote data version 2"):
        back(house, "1.0.0")


def test_data_of_releases_in_between_counts(house: House) -> None:
    """Going back two steps must also read what the step between wrote."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    for version, said in (("1.1.0", "{reads: [1, 2], writes: 2}"), ("1.2.0", "{reads: [1, 2], writes: 1}")):
        house.commit(f"feat: {version}", definition(f"compatibility: {said}"))
        house.release(version)
        house.promote(version, "dev")
        house.wait(60)
    with pytest.raises(Conflict, match=r"1\.1\.0 wrote data version 2, which 1\.0\.0"):
        back(house, "1.0.0")
    assert back(house).version == "1.1.0"


@pytest.mark.parametrize(("to", "said"), [("1.1.0", "is what runs"), ("9.9.9", "no release")])
def test_a_target_that_makes_no_sense_is_refused(house: House, to: str, said: str) -> None:
    """What runs already, and what does not exist."""
    two_releases(house)
    with pytest.raises(Exception, match=said):
        back(house, to)


def test_a_rollout_under_way_is_turned_back(house: House) -> None:
    """Rolling back in the middle turns the deployment back; its promotion ends as rolled-back."""
    promotion = deploying(house, CANARY)
    house.wait(300)
    with house.database.read() as uow:
        assert deploy.deployment(uow, promotion.deployment_id).traffic_since is not None
    turned = back(house, environment="uat")
    assert turned.id == promotion.id
    house.wait(60)
    ended = house.look(promotion.id)
    assert ended.state == "rolled-back"
    with house.database.read() as uow:
        row = next(each for each in releases.overview(uow).services if each.service == "shop")
        change = changes.change_request(uow, promotion.id)
        actions = [each.action for each in ledger.entries(uow, subject=f"promotion:{promotion.id}").items]
    assert row.environments["uat"].version == "1.0.0"
    assert row.environments["uat"].last["state"] == "rolled-back"
    assert change.status == "backed-out"
    assert actions[-2:] == ["promotion.rolled-back", "change.closed"]


def test_a_release_that_never_becomes_healthy_goes_back_by_itself(house: House) -> None:
    """The promotion says so, the old version runs, and nothing is promoted further."""
    house.apply(ROLLING)
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.commit("feat: broken")
    house.release("1.1.0")
    house.promote("1.1.0", "dev")
    house.wait(60)
    house.approve(house.at("uat")[0].id)
    house.target.broken.add("1.1.0")
    house.wait(300)
    promotion = house.at("uat")[0]
    assert promotion.state in ("rolled-back", "failed")
    assert house.at("prod") == []
    with house.database.read() as uow:
        row = next(each for each in releases.overview(uow).services if each.service == "shop")
    assert row.environments["uat"].version == "1.0.0"
