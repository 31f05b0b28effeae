"""What a rollout, the chore and people do when something was slow, odd, or at the same moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rollouts import DEV, World, order

from clearway import deploy, ledger
from clearway.catalog import Health, StrategySpec
from clearway.deploy import store
from clearway.deploy.ports import Launch, Seen
from clearway.kernel import Conflict


def first(world: World) -> str:
    """A first release that serves."""
    made = world.begin(order())
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    return made


def slow_to_start(world: World, seconds: float) -> None:
    """From now on an instance answers only so long after its start."""
    began: dict[str, float] = {}
    start, look = world.target.start, world.target.observe

    def started(launch: Launch) -> None:
        if launch.instance_id not in world.target.alive:
            began[launch.instance_id] = world.clock().timestamp()
        start(launch)

    def observed(instance_id: str, port: int, path: str) -> Seen:
        seen = look(instance_id, port, path)
        early = world.clock().timestamp() - began.get(instance_id, 0.0) < seconds
        return Seen(True, False, 1, "it loads") if seen.alive and early else seen

    world.target.start = started  # type: ignore[method-assign]
    world.target.observe = observed  # type: ignore[method-assign]


def test_a_slow_service_has_its_own_time_on_the_way_back(world: World) -> None:
    """Recreate: what ran before needs 40 s of its 120 to start, so 30 s of patience must not give it up."""
    slow = order().process.model_copy(update={"health": Health(timeout=timedelta(seconds=120))})
    made = world.begin(order(process=slow))
    world.run(made)
    slow_to_start(world, 40)
    world.target.broken = {"1.1.0"}
    bad = world.begin(order("1.1.0", process=slow, strategy=StrategySpec(kind="recreate")))
    world.run(bad, most=1000)
    assert world.row(bad).outcome == "aborted-before-traffic", world.row(bad).reason
    assert world.serving() == {"1.0.0": 100}


def test_patience_begins_where_a_rollout_turns(world: World) -> None:
    """One that turns in its very first phase, late, waits for what ran before as long as any other."""
    first(world)
    made = world.begin(order("1.1.0"))
    world.target.broken = {"1.1.0"}
    world.run(made, until=lambda: world.row(made).revision > 1)
    before = world.row(made).phase_since
    world.run(made, until=lambda: world.row(made).going_back)
    assert world.row(made).phase == "start"
    assert world.row(made).phase_since > before


def test_what_gets_well_after_a_failed_way_back_serves_again(world: World) -> None:
    """Nobody is left with 503 because the old version took longer than anybody waited."""
    made = first(world)
    world.target.broken = {"1.0.0", "1.1.0"}
    bad = world.begin(order("1.1.0", strategy=StrategySpec(kind="recreate")))
    world.run(bad)
    assert world.row(bad).outcome == "failed"
    world.settle(3)
    assert world.serving() == {}
    said = world.actions(made)
    world.target.broken = {"1.1.0"}
    world.settle(3)
    assert world.serving() == {"1.0.0": 100}
    assert world.actions(made)[len(said) :] == ["deployment.traffic-moved"], "said once"


def test_what_is_ended_on_purpose_did_not_die(world: World) -> None:
    """The chore looks at an instance between its end and the commit that says so: no "ended by itself"."""
    made = first(world)
    bad = world.begin(order("1.1.0", strategy=StrategySpec(kind="recreate")))
    world.run(bad, until=lambda: any(each.wanted == "draining" for each in world.instances(made)))
    stop = world.target.stop

    def looked_at(instance_id: str, grace_s: float) -> None:
        before = len(world.target.stops)
        stop(instance_id, grace_s)
        if len(world.target.stops) > before:
            world.look_after()

    world.target.stop = looked_at  # type: ignore[method-assign]
    world.run(bad)
    assert world.row(bad).outcome == "succeeded"
    assert "instance.died" not in world.actions(made)
    assert {each.status for each in world.instances(made)} == {"stopped"}


def test_what_a_rollout_drains_is_not_ended_by_the_chore(world: World) -> None:
    """What ran before has its last second, though its own rollout ended long ago."""
    made = first(world)
    bad = world.begin(order("1.1.0", strategy=StrategySpec(kind="recreate")))
    world.run(bad, until=lambda: any(each.wanted == "draining" for each in world.instances(made)))
    world.look_after()
    assert world.target.stops == []
    world.run(bad)
    assert len(world.target.stops) == 2


def test_a_look_older_than_the_row_changes_nothing(world: World) -> None:
    """What was read, looked at, and meanwhile stopped stays stopped, and is not told as dead."""
    from clearway.deploy import acts

    made = first(world)
    (read, *_) = world.instances(made)
    with world.database.begin() as uow:
        store.update_instance(uow, read.id, wanted="draining")
    with world.database.begin() as uow:
        assert acts.keep_statuses(uow, [read], [replace(read, status="dead")]) == []
    assert next(each for each in world.instances(made) if each.id == read.id).status == "healthy"


def test_an_unexpected_fault_is_tried_again_but_not_for_ever(world: World) -> None:
    """A fault that nobody foresaw, again and again: the rollout turns back and says which."""
    first(world)
    world.target.refuse = ValueError("a name nobody can read")
    made = world.begin(order("1.1.0"))
    world.run(made)
    assert world.row(made).outcome == "aborted-before-traffic"
    assert "a name nobody can read" in world.row(made).reason
    assert world.serving() == {"1.0.0": 100}


def test_a_few_unexpected_faults_are_forgotten(world: World) -> None:
    """What works again goes on, and the count begins anew."""
    first(world)
    world.target.refuse = ValueError("odd")
    made = world.begin(order("1.1.0"))
    world.run(made, until=lambda: world.row(made).measured.get("surprises", 0) > 3)
    world.target.refuse = None
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    assert "surprises" not in world.row(made).measured


@pytest.mark.parametrize("verb", ["halt", "abort"])
def test_a_tick_that_was_first_is_told_to_the_person(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """What could not be written is not recorded as done."""
    from clearway import access
    from clearway.deploy import acts

    monkeypatch.setattr(access, "require", lambda *args, **options: None)
    made = world.begin(order())
    before = world.actions(made)
    monkeypatch.setattr(acts.store, "save", lambda uow, row: None)
    with pytest.raises(Conflict), world.database.begin() as uow:
        if verb == "halt":
            deploy.halt(uow, DEV, "smoke")
        else:
            deploy.abort(uow, DEV, made, "smoke")
    assert world.actions(made) == before


def test_what_drains_ends_when_its_last_request_is_answered(world: World) -> None:
    """Longer than the usual second, and not for ever."""
    made = first(world)
    busy = {each.port: 1 for each in world.instances(made)}
    world.router.unanswered = dict(busy)
    bad = world.begin(order("1.1.0", strategy=StrategySpec(kind="recreate")))
    world.run(bad, until=lambda: "still answered" in world.row(bad).reason)
    for _ in range(20):
        world.pass_time()
        world.tick()
    assert world.target.stops == []
    world.router.unanswered = {}
    world.run(bad)
    assert world.row(bad).outcome == "succeeded"
    assert len(world.target.stops) == 2


def test_a_request_without_an_end_holds_nothing_up(world: World) -> None:
    """After half a minute the service's own shutdown ends it."""
    made = first(world)
    world.router.unanswered = {each.port: 1 for each in world.instances(made)}
    bad = world.begin(order("1.1.0", strategy=StrategySpec(kind="recreate")))
    world.run(bad)
    assert world.row(bad).outcome == "succeeded"


def test_what_was_kept_warm_ends_its_requests_too(world: World) -> None:
    """The chore asks as the rollout does."""
    made = first(world)
    world.run(world.begin(order("1.1.0")))
    world.router.unanswered = {each.port: 1 for each in world.instances(made)}
    world.settle(45)
    assert world.target.stops == []
    world.settle(30)
    assert len(world.target.stops) == 2


def test_installed_bytes_that_were_changed_are_said(world: World) -> None:
    """Found before a start: replaced, and in the ledger by the bundle's digest."""
    first(world)
    bundle = order("1.1.0").bundle_digest
    world.target.changed[bundle] = "site/shop.py"
    world.run(world.begin(order("1.1.0")))
    with world.database.read() as uow:
        (entry,) = ledger.entries(uow, subject=f"bundle:{bundle}", limit=10).items
    assert entry.action == "bundle.installed-again"
    assert "site/shop.py" in entry.reason
