"""A promotion from the request to its end, over the real rooms."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from house import DANA, OTTO, QUIN, RITA, ROOT, VERA, House

from clearway import access, artifacts, changes, config, ledger, releases, workflow
from clearway.kernel import SYSTEM, Conflict, Invalid, NotFound, Permanent, Refused
from clearway.releases import store
from clearway.releases.flows import sweep
from clearway.releases.service import advance
from clearway.storage import metadata


def test_a_release_travels_its_route(house: House) -> None:
    """Dev by itself, uat by itself up to the approval, prod when somebody asks; what ran is in the ledger."""
    house.release("1.0.0")
    house.to("prod", "1.0.0")
    assert [house.at(name)[0].state for name in ("dev", "uat", "prod")] == ["succeeded"] * 3
    done = house.at("prod")[0]
    with house.database.read() as uow:
        actions = [each.action for each in ledger.entries(uow, subject=f"promotion:{done.id}").items]
        change = releases.change_request(uow, done.id)
    assert actions == [
        "promotion.requested",
        "change.opened",
        "promotion.approved",
        "promotion.waiting-soak",
        "promotion.deploying",
        "promotion.succeeded",
        "change.closed",
    ]
    assert change.status == "implemented"
    assert len(house.target.starts) == 3


def test_the_same_build_is_the_same_release(house: House) -> None:
    """Making it twice gives the first one back; other content under the version is refused, by its name."""
    first = house.release("1.0.0")
    with house.database.begin() as uow:
        again = releases.create(uow, DANA, "shop", build_id=first.build_id)
        by_version = releases.create(uow, DANA, "shop", version="1.0.0")
    assert again == by_version == first
    with pytest.raises(Conflict, match=r"exists with other content \(artifacts\)"):
        house.release("1.0.0", "other bytes")
    house.commit("feat: other")
    with pytest.raises(Conflict, match=r"exists with other content \(artifacts, commit\)"):
        house.release("1.0.0", "x")


def test_a_version_that_was_not_built_names_the_one_that_was(house: House) -> None:
    """The words name what was built under another version, and the tag that is missing."""

    def said(version: str) -> str:
        with pytest.raises(NotFound) as caught, house.database.begin() as uow:
            releases.create(uow, DANA, "shop", version=version)
        return str(caught.value)

    assert said("1.0.0") == "no build of shop 1.0.0 succeeded. Build it first."
    sha = house.made.git("rev-parse", "HEAD")
    house.build(f"0.9.0+g{sha[:8]}")
    assert f"newest that succeeded is 0.9.0+g{sha[:8]} (commit {sha[:12]}): release that" in said("1.0.0")
    assert f"`git tag v1.0.0 {sha[:12]}`, and build it again." in said("1.0.0")
    house.build("0.9.0")
    assert "succeeded is 0.9.0 " in said("1.0.0")
    assert "`git tag v1.0.0 COMMIT`" in said("1.0.0")
    assert "git tag" not in said("newest")


def test_notes_are_the_difference_to_what_runs_at_the_end_of_the_route(house: House) -> None:
    """Not to the last version: what never reached prod is still news there."""
    house.release("1.0.0")
    house.to("prod", "1.0.0")
    house.commit("feat: gifts")
    house.release("1.1.0")
    house.commit("fix: ribbons")
    house.release("1.2.0")
    with house.database.read() as uow:
        notes = releases.notes(uow, "shop", "1.2.0")
        release = releases.release(uow, "shop", "1.2.0")
    assert notes.since_version == "1.0.0"
    assert [each.text for each in notes.changes] == ["gifts", "ribbons"]
    assert release.notes_digest == notes.digest


def test_a_failed_test_refuses_the_promotion_as_a_saved_value(house: House) -> None:
    """The answer is kept with its gate; nothing is started; asking again is allowed."""
    house.release("1.0.0", failed=1)
    refused = house.promote("1.0.0", "dev")
    assert refused.state == "refused"
    assert "tests-passed: untested software is a guess" in refused.why
    assert house.look(refused.id).gates["verdicts"][0]["answer"] == "no"
    assert house.queue.waiting == []
    assert house.promote("1.0.0", "dev").id != refused.id


def test_an_error_in_a_gate_is_a_no(house: House) -> None:
    """A rule that cannot be evaluated lets nothing pass."""
    house.release("1.0.0")
    house.evaluator.answers.pop("evidence.tests.failed == 0")
    refused = house.promote("1.0.0", "dev")
    assert refused.state == "refused"
    assert refused.gates["verdicts"][0]["answer"] == "error"


def test_a_missing_key_stops_the_promotion_with_its_name(house: House) -> None:
    """Before the promotion, not at the first request."""
    house.commit(
        "feat: key",
        "service: shop\nbuild: {recipe: make}\nprocess: {command: [./s]}\n"
        "config: {MAX_ITEMS: {type: integer}}",
    )
    house.release("1.0.0")
    refused = house.promote("1.0.0", "dev")
    assert refused.state == "refused"
    assert "MAX_ITEMS" in refused.why


def test_a_dry_run_writes_nothing(house: House) -> None:
    """Not a row in any table; the plan is the one that a promotion would have."""
    house.release("1.0.0")

    def rows() -> dict[str, int]:
        with house.database.read() as uow:
            tables = metadata.sorted_tables
            return {
                each.name: uow.connection.execute(sa.select(sa.func.count()).select_from(each)).scalar_one()
                for each in tables
            }

    before = rows()
    with house.database.begin() as uow:
        plan = releases.dry_run(uow, DANA, "shop", "1.0.0", "dev")
    assert rows() == before
    assert house.promote("1.0.0", "dev").plan_hash == plan.hash
    with house.database.read() as uow, pytest.raises(Refused):
        releases.dry_run(uow, VERA, "shop", "1.0.0", "dev")


@pytest.mark.parametrize(
    ("service", "version", "environment", "error"),
    [
        ("shop", "9.9.9", "dev", NotFound),
        ("nothing", "1.0.0", "dev", NotFound),
        ("shop", "1.0.0", "moon", Invalid),
    ],
)
def test_what_is_not_there_is_said_so(house: House, service, version, environment, error) -> None:
    """An unknown service or version is not found; an environment off the route is refused by name."""
    house.release("1.0.0")
    with house.database.begin() as uow, pytest.raises(error):
        releases.promote(uow, DANA, service, version, environment, "r")


def waiting(house: House) -> releases.Promotion:
    """A promotion to uat that waits for its approval."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    house.wait(60)
    [found] = house.at("uat")
    assert found.state == "waiting-approval"
    return found


def test_waiting_for_people_costs_nothing(house: House) -> None:
    """No timer, no flow: a row that only an event wakes."""
    promotion = waiting(house)
    house.wait(3600 * 24, 3600)
    with house.database.read() as uow:
        held = uow.connection.execute(
            sa.text("select count(*) from workflow_timer where flow like 'releases%'")
        )
        assert held.scalar_one() == 0
    assert house.look(promotion.id).revision == promotion.revision


@pytest.mark.parametrize("actor", [DANA, VERA, OTTO])
def test_nobody_approves_their_own_change_or_without_the_role(house: House, actor) -> None:
    """Dana wrote the commit (git knows her by another name), asked for it, and is a release manager."""
    promotion = waiting(house)
    with pytest.raises(Refused):
        house.approve(promotion.id, actor)
    assert house.look(promotion.id).approvals == ()


def test_an_approval_names_the_plan_that_was_read(house: House) -> None:
    """Another hash is refused, and the answer carries the present one."""
    promotion = waiting(house)
    with pytest.raises(Conflict) as caught:
        house.approve(promotion.id, RITA, "sha256:" + "0" * 64)
    assert caught.value.detail["plan_hash"] == promotion.plan_hash


def test_only_the_groups_of_the_rule_approve(house: House) -> None:
    """With groups named, the permission alone is not enough."""
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic,"
        " approvals: {count: 1, groups: [qa]}, gates: [tests-passed], strategy: {kind: recreate}}"
    )
    promotion = waiting(house)
    with pytest.raises(Refused, match="none of the groups"):
        house.approve(promotion.id, RITA)
    house.approve(promotion.id, QUIN)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def test_a_role_given_by_a_document_counts_as_one_given_by_name(house: House) -> None:
    """A rule that names a role is met by whoever holds it there, and not by who holds it elsewhere."""
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic,"
        " approvals: {count: 1, groups: [approver]}, gates: [tests-passed], strategy: {kind: recreate}}"
    )
    people = [
        access.UserDocument(name="quin", groups=["qa"]),
        access.UserDocument(name="rita", roles=["release-manager"]),
        access.RoleDocument(name="testers", role="approver", environments=["uat"], groups=["qa"]),
        access.RoleDocument(name="elsewhere", role="approver", environments=["prod"], users=["rita"]),
    ]
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, people)
    promotion = waiting(house)
    with pytest.raises(Refused, match="none of the groups"):
        house.approve(promotion.id, RITA)
    house.approve(promotion.id, QUIN)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


QA_BY_ROLE = (
    "{kind: Environment, name: uat, order: 2, promotion: automatic,"
    " approvals: {count: 1, groups: [release-manager]}, gates: [tests-passed], strategy: {kind: recreate}}"
)


@pytest.mark.parametrize(
    ("grants", "roles", "counts"),
    [
        ([{"role": "release-manager"}], [], True),
        ([{"role": "approver"}, {"role": "release-manager", "environments": ["uat"]}], [], True),
        ([{"role": "approver"}, {"role": "release-manager", "environments": ["dev"]}], [], False),
        ([{"role": "approver"}], ["uat"], True),
        ([{"role": "approver"}], ["dev"], False),
    ],
)
def test_a_role_counts_where_it_is_held(house: House, grants, roles, counts: bool) -> None:
    """Named by a rule, a role is asked for in this environment, however it was given."""
    house.apply(QA_BY_ROLE)
    with house.database.begin() as uow:
        docs: list[Any] = [access.UserDocument(name="quin", roles=grants)]
        if roles:
            docs.append(
                access.RoleDocument(name="leads", role="release-manager", environments=roles, users=["quin"])
            )
        access.apply(uow, SYSTEM, docs)
    promotion = waiting(house)
    if not counts:
        with pytest.raises(Refused, match="holds none of the roles"):
            house.approve(promotion.id, QUIN)
        return
    house.approve(promotion.id, QUIN)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def test_a_failed_deployment_says_why_on_its_promotion(house: House) -> None:
    """Where people look first stands what the deployment saw, not only that it ended."""
    house.release("1.0.0")
    house.target.refuse = Permanent("the program 'shop' is nowhere")
    promotion = house.promote("1.0.0", "dev")
    house.wait(60)
    ended = house.look(promotion.id)
    assert ended.state == "failed"
    assert ended.why.startswith("the deployment ended before any traffic reached it: ")
    assert "the program 'shop' is nowhere" in ended.why


def test_two_approvals_are_two_people(house: House) -> None:
    """One person twice is refused; the second person starts it."""
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 2},"
        " gates: [tests-passed], strategy: {kind: recreate}}"
    )
    promotion = waiting(house)
    house.approve(promotion.id, RITA)
    house.run()
    assert house.look(promotion.id).why == "1 of 2 approvals"
    with pytest.raises(Conflict, match="already approved"):
        house.approve(promotion.id, RITA)
    house.approve(promotion.id, QUIN)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def change_value(house: House) -> None:
    with house.database.begin() as uow:
        config.set_value(uow, ROOT, "shop", "uat", "GREETING", "Hi", "marketing")


def change_secret(house: House) -> None:
    with house.database.begin() as uow:
        config.set_secret(uow, ROOT, "shop", "uat", "API_KEY", "a new secret", "rotation")


def change_strategy(house: House) -> None:
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 1},"
        " gates: [tests-passed], strategy: {kind: rolling}}"
    )


def change_policy(house: House) -> None:
    house.apply("{kind: Gate, name: tests-passed, rule: 'true', reason: we trust}")


def change_instances(house: House) -> None:
    house.apply(
        "{kind: Environment, name: uat, order: 2, promotion: automatic, approvals: {count: 1},"
        " gates: [tests-passed], strategy: {kind: recreate}, instances: 2}"
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_value, "configuration.GREETING"),
        (change_secret, "configuration.API_KEY"),
        (change_strategy, "strategy"),
        (change_policy, "policy_digest"),
        (change_instances, "instances"),
    ],
)
def test_what_was_approved_is_what_is_done_or_the_approval_is_void(house: House, change, named) -> None:
    """Between two signatures something changes: the first is void, the ledger says why, nothing moves."""
    promotion = waiting(house)
    starts = len(house.target.starts)
    change(house)
    house.approve(promotion.id, RITA)  # under the plan as it was read
    house.run()
    now = house.look(promotion.id)
    assert now.state == "waiting-approval"
    assert now.plan_hash != promotion.plan_hash
    assert [each.counts for each in now.approvals] == [False]
    assert named in now.approvals[0].void_reason
    assert len(house.target.starts) == starts
    with house.database.read() as uow:
        [entry] = ledger.entries(
            uow, subject=f"promotion:{now.id}", action_prefix="promotion.replanned"
        ).items
    assert named in [line["path"] for line in entry.data["changed"]]
    assert "a new secret" not in str(entry.data)
    house.approve(promotion.id, RITA)  # the same person reads the new plan
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def test_a_secret_is_in_no_plan(house: House) -> None:
    """Its version is; what it says is nowhere in promotion, change request or ledger."""
    change_secret(house)
    promotion = waiting(house)
    with house.database.read() as uow:
        everything = [promotion.to_json(), changes.change_request(uow, promotion.id).to_json()]
        everything += [each.data for each in ledger.entries(uow, limit=1000).items]
    assert "a new secret" not in str(everything)
    lines = {each["key"]: each for each in promotion.plan["content"]["configuration"]}
    assert lines["API_KEY"]["secret_version"] == 1
    assert lines["API_KEY"]["value"] is None


def test_an_approver_who_lost_the_role_does_not_count(house: House) -> None:
    """Approvals are counted when it matters, by who may give them then."""
    promotion = waiting(house)
    house.approve(promotion.id, QUIN)
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="quin", roles=["viewer"])])
    house.wait(60)
    assert house.look(promotion.id).state == "waiting-approval"


def test_an_approval_becomes_signed_evidence(house: House) -> None:
    """An in-toto statement about the release's digest, verified by the room that keeps it."""
    promotion = waiting(house)
    house.approve(promotion.id, RITA)
    house.wait(60)
    with house.database.read() as uow:
        [said] = [
            each
            for each in artifacts.verify_stored(uow, promotion.release_digest)
            if each.predicate_type == releases.APPROVAL
        ]
    assert said.predicate["approver"] == "rita"
    assert said.predicate["plan"] == promotion.plan_hash


def test_rejecting_and_cancelling_end_it(house: House) -> None:
    """With the words of who did it; afterwards nothing moves it, and a new request is free."""
    promotion = waiting(house)
    with house.database.begin() as uow, pytest.raises(Refused):
        releases.reject(uow, VERA, promotion.id, "no")
    with house.database.begin() as uow:
        ended = releases.reject(uow, RITA, promotion.id, "not today")
        with pytest.raises(Conflict):
            releases.approve(uow, RITA, promotion.id, promotion.plan_hash)
    assert (ended.state, ended.why) == ("rejected", "not today")
    again = house.promote("1.0.0", "uat")
    with house.database.begin() as uow:
        assert releases.cancel(uow, DANA, again.id).state == "cancelled"
    house.wait(120)
    assert house.look(promotion.id).state == "rejected"


def test_a_newer_release_supersedes_the_older_that_waits(house: House) -> None:
    """Both would do the same place; the older one's approval is asked of nobody any more."""
    older = waiting(house)
    house.commit("feat: gifts")
    house.release("1.1.0")
    house.promote("1.1.0", "dev")
    house.wait(60)
    newer = house.at("uat")[0]
    assert house.look(older.id).state == "superseded"
    assert house.look(older.id).why == "1.1.0 is newer"
    assert (newer.version, newer.state) == ("1.1.0", "waiting-approval")


def test_one_deployment_at_a_time_for_each_place(house: House) -> None:
    """The second waits, and is woken by the end of the first; the database forbids it too."""
    house.release("1.0.0")
    first = house.promote("1.0.0", "dev")
    while house.look(first.id).state != "deploying":
        house.step()
    house.commit("feat: gifts")
    house.release("1.1.0")
    second = house.promote("1.1.0", "dev")
    assert (second.state, second.why) == ("held", f"{first.id} is deploying here")
    with house.database.begin() as uow, pytest.raises(sa.exc.IntegrityError):
        uow.connection.execute(
            store.promotions.update().where(store.promotions.c.id == second.id).values(state="deploying")
        )
    house.wait(120)
    assert [each.state for each in house.at("dev")] == ["succeeded", "succeeded"]


def test_the_same_request_twice_is_refused(house: House) -> None:
    """While it is on its way; the answer names the one that is."""
    promotion = waiting(house)
    with pytest.raises(Conflict, match=promotion.id):
        house.promote("1.0.0", "uat")


def test_a_look_that_is_late_does_nothing(house: House) -> None:
    """A flow of an older revision finds that everything is done: twice is once."""
    promotion = waiting(house)
    house.approve(promotion.id)
    _, _, args = next(each for each in house.queue.waiting if each[0] == "releases.advance")
    house.wait(60)
    starts = list(house.target.starts)
    done = house.look(promotion.id)
    for _ in range(2):
        with house.database.begin() as uow:
            assert advance(uow, **args) is None
    assert house.look(promotion.id) == done
    assert house.target.starts == starts


def test_a_look_that_fails_is_shown_and_repeated(house: House) -> None:
    """The promotion says what went wrong, still waits for the same, and goes on once it works."""
    promotion = waiting(house)
    mirrors = house.database.tools.pop(type(house.mirrors))
    house.approve(promotion.id)
    house.run()
    held = house.look(promotion.id)
    assert held.state == "waiting-approval"
    assert "could not be looked at" in held.why
    assert held.wake_at is not None
    house.database.tools[type(house.mirrors)] = mirrors
    house.wait(180)
    assert house.look(promotion.id).state == "succeeded"


def test_a_lost_flow_is_started_anew(house: House) -> None:
    """The queue forgot a look; a minute later the sweep asks for another."""
    promotion = waiting(house)
    house.approve(promotion.id)
    house.queue.waiting.clear()
    house.clock.advance(30)
    sweep(house.database)
    assert house.queue.waiting == []
    house.clock.advance(60)
    sweep(house.database)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def test_an_open_incident_holds_and_its_end_lets_go(house: House) -> None:
    """A gate that waiting can turn does not refuse: it holds, and is asked again."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.facts.open_incidents = 1
    promotion = house.promote("1.0.0", "prod")
    assert promotion.state == "waiting-approval"
    house.approve(promotion.id)
    house.wait(4000, 300)
    assert house.look(promotion.id).state == "held"
    house.facts.open_incidents = 0
    with house.database.begin() as uow:
        assert releases.reconsider(uow, service="shop") == 1
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"


def test_no_stop_of_the_route_is_skipped(house: House) -> None:
    """Without soak or gate: a release that was never in dev waits until it did well there, and says so."""
    house.release("1.0.0")
    with house.database.read() as uow:
        plan = releases.dry_run(uow, DANA, "shop", "1.0.0", "uat")
    assert not plan.allowed
    assert plan.waits == (
        "1.0.0 must do well in dev first; promote it there (`clearway promote shop 1.0.0 --to dev`)",
    )
    skipping = house.promote("1.0.0", "uat")
    assert (skipping.state, skipping.why) == ("waiting-soak", plan.waits[0])
    house.approve(skipping.id, RITA)
    house.wait(3600, 600)
    assert house.look(skipping.id).state == "waiting-soak"
    assert house.target.starts == []
    house.promote("1.0.0", "dev")
    house.wait(60)
    assert house.look(skipping.id).state == "succeeded"


def test_what_was_taken_back_at_the_stop_before_comes_no_further(house: House) -> None:
    """Having done well there once is not enough: it must do well there again."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    house.commit("feat: gifts")
    house.release("1.1.0")
    house.promote("1.1.0", "dev")
    house.wait(60)
    with house.database.begin() as uow:
        releases.rollback(uow, OTTO, "shop", "dev", "smoke")
    house.wait(60)
    promotion = house.at("uat")[0]
    house.approve(promotion.id)
    house.wait(60)
    assert house.look(promotion.id).state == "waiting-soak"


def test_soak_is_counted_where_it_ran_before(house: House) -> None:
    """An hour in uat, from the moment it ran there; one timer wakes it, and nothing before."""
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    promotion = house.promote("1.0.0", "prod")
    house.approve(promotion.id)
    house.run()
    soaking = house.look(promotion.id)
    assert soaking.state == "waiting-soak"
    assert soaking.wake_at == house.at("uat")[0].finished_at + timedelta(hours=1)
    with house.database.read() as uow:
        due = uow.connection.execute(
            sa.select(sa.column("key")).select_from(sa.table("workflow_timer"))
        ).all()
    assert [each.key for each in due] == [f"{promotion.id}/{soaking.revision}"]
    assert workflow.wake_due(house.database) == 0


def test_what_follows_a_success_is_tried_until_it_can_be_planned(house: House) -> None:
    """The history cannot be read for a while; the next stop's promotion comes once it can."""
    house.release("1.0.0")
    house.promote("1.0.0", "dev")
    while house.at("dev")[0].state != "succeeded":
        house.step()
    mirror = house.folder / "mirrors"
    mirror.rename(house.folder / "away")
    house.run()
    assert house.at("uat") == []
    (house.folder / "away").rename(mirror)
    house.wait(120)
    assert house.at("uat")[0].state == "waiting-approval"


def test_an_approval_is_signed_once_the_signer_is_back(house: House) -> None:
    """Waiting for the signer holds nothing up, and the evidence is not lost."""
    signer = house.database.tools[artifacts.Signer]
    promotion = waiting(house)
    signer.away = True
    house.approve(promotion.id)
    house.wait(60)
    assert house.look(promotion.id).state == "succeeded"
    signer.away = False
    house.wait(120)
    with house.database.read() as uow:
        found = artifacts.evidence(uow, promotion.release_digest)
    assert [each.predicate_type for each in found] == [releases.APPROVAL]
