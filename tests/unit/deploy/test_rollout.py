"""Whole rollouts over fakes: what serves, what is said, and how each fault ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rollouts import CANARY, DEV, World, digest, order

from clearway import deploy
from clearway.catalog import JudgeSpec, StrategySpec
from clearway.deploy import store
from clearway.deploy.ports import Sample, Seen
from clearway.kernel import Conflict, Permanent, Retry


def first(world: World, version: str = "1.0.0") -> str:
    """A first release that serves."""
    made = world.begin(order(version))
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    return made


def test_the_first_release_goes_up_by_health_only_and_says_so(world: World) -> None:
    """Where nothing can be compared with, a canary is not pretended."""
    made = world.begin(order(strategy=CANARY))
    world.run(made)
    row = world.row(made)
    assert row.outcome == "succeeded"
    assert row.judgement is None
    assert "nothing to compare with" in row.reason
    assert world.serving() == {"1.0.0": 100}
    assert world.alive() == ["1.0.0", "1.0.0"]


@pytest.mark.parametrize("kind", ["recreate", "rolling", "blue-green"])
def test_a_strategy_ends_with_the_new_version_alone(world: World, kind: str) -> None:
    """After the warm time only the new version runs, and all traffic goes to it."""
    first(world)
    made = world.begin(order("1.1.0", strategy=StrategySpec(kind=kind)))  # type: ignore[arg-type]
    world.run(made)
    world.settle(5)
    assert world.serving() == {"1.1.0": 100}
    assert world.alive() == ["1.1.0", "1.1.0"]


def test_a_good_canary_walks_its_steps_and_is_judged_at_each(world: World) -> None:
    """10, 25 and 50 per cent beside a baseline of the same weight, a judgement each, then all."""
    old = first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    moves = [
        e.weights for e in world.events if isinstance(e, deploy.TrafficMoved) and e.deployment_id == made
    ]
    base = f"{made}.baseline"
    assert moves == [
        {made: 10, base: 10, old: 80},
        {made: 25, base: 25, old: 50},
        {made: 50, base: 50},
        {made: 100},
    ]
    verdicts = [e.judgement["verdict"] for e in world.events if isinstance(e, deploy.JudgementMade)]
    assert verdicts == ["pass"] * 3
    with world.database.read() as uow:
        points = deploy.series(uow, made)
    assert {point["stage"] for point in points} == {0, 1, 2}
    assert points[-1]["canary"] == {"errors": 0.0}


def test_a_bad_canary_comes_back_by_itself(world: World) -> None:
    """Errors of the canary only: traffic goes back to the still-warm old side, and then it is told."""
    old = first(world)
    world.faulty = {"1.1.0"}
    warm = set(world.target.alive)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made)
    row = world.row(made)
    assert (row.state, row.outcome) == ("rolled-back", "rolled-back")
    assert row.judgement
    assert row.judgement["verdict"] == "fail"
    assert "judged" in row.reason
    assert world.serving() == {"1.0.0": 100}
    assert world.target.alive == warm, "the old side was never stopped"
    kinds = [type(e).__name__ for e in world.events]
    assert kinds.index("DeploymentGoingBack") < kinds.index("DeploymentFinished", 5)
    with world.database.read() as uow:
        now = deploy.current(uow, "shop", "prod")
    assert now
    assert now.deployment_id == old


KAYENTA = CANARY.model_copy(update={"judge": JudgeSpec(kind="kayenta")})


@pytest.mark.parametrize(
    ("faulty", "traffic", "outcome", "verdict"),
    [
        (set(), 400, "succeeded", "pass"),
        ({"1.1.0"}, 400, "rolled-back", "fail"),
        (set(), 0, "rolled-back", "fail"),
    ],
    ids=["good", "bad", "no traffic"],
)
def test_a_strategy_may_name_the_compatible_judge(
    world: World, faulty: set[str], traffic: int, outcome: str, verdict: str
) -> None:
    """It compares series of one value a sample; no data on its only metric scores 0, as in the original."""
    first(world)
    world.faulty, world.traffic = faulty, traffic
    made = world.begin(order("1.1.0", strategy=KAYENTA))
    world.run(made)
    row = world.row(made)
    assert (row.outcome, (row.judgement or {}).get("verdict")) == (outcome, verdict)
    assert (row.judgement or {})["judge"] == "kayenta"
    assert world.serving() == {"1.1.0" if outcome == "succeeded" else "1.0.0": 100}


def test_no_data_is_never_a_pass(world: World) -> None:
    """Without traffic nothing is proven: the canary is held, and goes on by itself when there is some."""
    first(world)
    world.traffic = 0
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).state == "held")
    assert "too little to judge" in world.row(made).reason
    for _ in range(20):
        world.pass_time()
        world.tick()
    assert world.row(made).state == "held"
    world.traffic = 400
    world.run(made)
    assert world.row(made).outcome == "succeeded"


def test_metrics_that_cannot_be_read_are_no_pass(world: World) -> None:
    """An instance whose metrics are away is no good instance, and no zero."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.metrics.scrape = lambda port, path: (_ for _ in ()).throw(Retry("away"))  # type: ignore[method-assign]
    world.run(made, until=lambda: world.row(made).state == "held")
    assert world.row(made).look == 0


def test_inconclusive_can_mean_rollback(world: World) -> None:
    """Where the environment says so, too little data turns the canary back."""
    first(world)
    world.traffic = 0
    strategy = CANARY.model_copy(update={"judge": JudgeSpec(inconclusive="rollback")})
    made = world.begin(order("1.1.0", strategy=strategy))
    world.run(made)
    assert world.row(made).outcome == "rolled-back"


def test_a_service_that_never_becomes_healthy_gets_no_traffic(world: World) -> None:
    """It is given up after its health timeout, with its last words; nobody was sent to it."""
    first(world)
    world.target.broken = {"1.1.0"}
    made = world.begin(order("1.1.0"))
    world.run(made)
    row = world.row(made)
    assert (row.state, row.outcome) == ("failed", "aborted-before-traffic")
    assert "not healthy within 10 s" in row.reason
    assert "it answers 500" in row.reason
    assert world.alive() == ["1.0.0", "1.0.0"]
    assert all(made not in r.weights for state in world.router.history for r in state.values())


def test_a_first_release_that_fails_leaves_nothing(world: World) -> None:
    """With nothing to go back to, it is taken down and can be tried again."""
    world.target.broken = {"1.0.0"}
    made = world.begin(order())
    world.run(made)
    assert world.row(made).outcome == "aborted-before-traffic"
    assert world.alive() == []
    world.target.broken = set()
    first(world)


def test_an_instance_that_dies_during_the_rollout_turns_it_back(world: World) -> None:
    """A canary whose process ends is a bad canary."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    world.target.die(next(each for each in world.instances(made) if each.side == "main"))
    world.run(made)
    assert world.row(made).outcome == "rolled-back"
    assert "ended" in world.row(made).reason


def test_a_baseline_that_dies_is_started_again(world: World) -> None:
    """The old version's copy is ours to keep running: the new version is not blamed, nor does it hang."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    world.target.die(next(each for each in world.instances(made) if each.side == "baseline"))
    world.look_after()
    world.run(made)
    assert world.row(made).outcome == "succeeded"


def test_a_baseline_that_cannot_run_turns_the_canary_back(world: World) -> None:
    """Without a baseline there is no comparison; after its patience the rollout says so and goes back."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    honest = world.target.observe

    def observe(instance_id: str, port: int, path: str) -> Seen:
        variables = world.target.launched[instance_id].variables
        mine = variables["CLEARWAY_DEPLOYMENT"] == made and variables["CLEARWAY_VERSION"] == "1.0.0"
        return Seen(True, False, 1, "no licence") if mine else honest(instance_id, port, path)

    world.target.observe = observe  # type: ignore[method-assign]
    world.run(made)
    assert world.row(made).outcome == "aborted-before-traffic"
    assert "baseline" in world.row(made).reason


def test_one_missed_health_check_is_no_failure(world: World) -> None:
    """A healthy instance that misses one check under load is looked at again before it is given up."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    for _ in range(30):
        world.pass_time()
        world.tick()
        if world.row(made).phase == "hold" and world.row(made).stage == 2:
            break
    seen, honest = [], world.target.observe

    def once(instance_id: str, port: int, path: str) -> object:
        found = honest(instance_id, port, path)
        if world.target.launched[instance_id].variables["CLEARWAY_VERSION"] == "1.1.0" and not seen:
            seen.append(instance_id)
            return type(found)(True, False, 1, "no answer in time")
        return found

    world.target.observe = once  # type: ignore[assignment,method-assign]
    world.run(made)
    assert seen
    assert world.row(made).outcome == "succeeded"


def test_a_hold_pauses_and_resumes_by_itself(world: World) -> None:
    """The permit is asked before every step: a freeze in the middle stops it where it is, and only then."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).stage == 1)
    world.permit.hold = "a freeze until Monday"
    world.run(made, until=lambda: world.row(made).state == "held")
    assert world.row(made).reason == "a freeze until Monday"
    stage = world.row(made).stage
    for _ in range(40):
        world.pass_time()
        world.tick()
    assert (world.row(made).state, world.row(made).stage) == ("held", stage)
    world.permit.hold = None
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    assert [a for a in world.actions(made) if a in ("deployment.held", "deployment.resumed")] == [
        "deployment.held",
        "deployment.resumed",
    ]


def test_a_permit_that_breaks_is_a_no(world: World) -> None:
    """Gates fail closed."""
    first(world)
    world.permit.check = lambda uow, row: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    made = world.begin(order("1.1.0"))
    world.run(made, until=lambda: world.row(made).state == "held")
    assert "could not be decided" in world.row(made).reason


def test_a_hold_does_not_stop_the_way_back(world: World) -> None:
    """A freeze never keeps a bad version in production."""
    first(world)
    world.faulty = {"1.1.0"}
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    world.permit.hold = "a freeze"
    world.run(made)
    assert world.row(made).outcome == "rolled-back"


def test_rollback_uses_what_is_still_warm(world: World) -> None:
    """Within the warm time going back starts no process: the same instances serve again."""
    first(world)
    made = world.begin(order("1.1.0"))
    world.run(made)
    starts = list(world.target.starts)
    back = world.begin(order("1.0.0", kind="rollback", reason="wrong prices"))
    world.run(back)
    assert world.row(back).outcome == "succeeded"
    assert world.target.starts == starts
    assert world.serving() == {"1.0.0": 100}
    world.settle(40)
    assert world.alive() == ["1.0.0", "1.0.0"]


def test_rollback_after_the_warm_time_starts_it_again(world: World) -> None:
    """Later the old version is started from its bundle."""
    first(world)
    made = world.begin(order("1.1.0"))
    world.run(made)
    world.settle(40)
    assert world.alive() == ["1.1.0", "1.1.0"]
    back = world.begin(order("1.0.0", kind="rollback"))
    world.run(back)
    world.settle(40)
    assert world.serving() == {"1.0.0": 100}
    assert world.alive() == ["1.0.0", "1.0.0"]


def test_one_rollout_at_a_time(world: World) -> None:
    """A second one for the same place is refused while the first moves."""
    world.begin(order())
    with pytest.raises(Conflict):
        world.begin(order("1.1.0"))


def test_a_dead_instance_is_started_again(world: World) -> None:
    """Desired state running: the chore starts what died, and says in the ledger that it died."""
    made = first(world)
    gone = world.instances(made)[0]
    world.target.die(gone)
    world.look_after()
    world.settle(3)
    assert gone.id in world.target.alive
    assert world.actions(made).count("instance.died") == 1


def test_a_crash_loop_is_slowed_down(world: World) -> None:
    """What dies again and again is started ever more seldom, and doesn't flood the ledger."""
    made = first(world)
    gone = world.instances(made)[0]
    for _ in range(120):
        world.target.die(gone)
        world.pass_time(1.0)
        world.look_after()
    assert 3 <= world.target.starts.count(gone.id) <= 12
    assert world.actions(made).count("instance.died") <= 12


def test_a_port_that_was_taken_meanwhile_is_replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance whose port a stranger took gets another one when it is started again."""
    from clearway.deploy import launch

    made = first(world)
    gone = world.instances(made)[0]
    world.target.die(gone)
    honest = launch.is_free
    monkeypatch.setattr(launch, "is_free", lambda port: port != gone.port and honest(port))
    world.settle(3)
    again = next(each for each in world.instances(made) if each.id == gone.id)
    assert again.port != gone.port
    assert again.status == "healthy"
    assert world.target.launched[gone.id].variables["PORT"] == str(again.port)


def test_a_router_that_is_away_delays_and_is_told_later(world: World) -> None:
    """The rollout says what it waits for, and goes on when the router is back."""
    first(world)
    made = world.begin(order("1.1.0"))
    world.router.down = True
    for _ in range(10):
        world.tick()
        world.pass_time(1.0)
    assert "the router does not answer" in world.row(made).reason
    assert world.row(made).active
    world.router.down = False
    world.run(made)
    assert world.row(made).outcome == "succeeded"


def test_a_taken_port_delays_its_own_place_only(world: World) -> None:
    """A stranger on the port of one service: that one waits and says so, the others roll out."""
    first(world)
    cart = world.begin(order("5.0.0", service="cart"))
    with world.database.read() as uow:
        port = deploy.listeners(uow)["cart", "prod"]
    world.router.taken = {port}
    made = world.begin(order("1.1.0"))
    for _ in range(60):
        while world.tick():
            pass
        world.pass_time(1.0)
        world.look_after()
    assert world.row(made).outcome == "succeeded"
    assert world.row(cart).active
    assert f"port {port} cannot be opened" in world.row(cart).reason
    world.router.taken = set()
    world.run(cart)
    assert world.row(cart).outcome == "succeeded"


@pytest.mark.parametrize("error", [Retry("the disk is full"), OSError(28, "No space left on device")])
def test_a_full_disk_delays_and_nothing_is_lost(world: World, error: Exception) -> None:
    """What cannot be started now is tried again, with the reason on the row."""
    first(world)
    world.target.refuse = error
    made = world.begin(order("1.1.0"))
    for _ in range(5):
        world.tick()
        world.pass_time(1.0)
    assert world.row(made).active
    assert "disk" in world.row(made).reason.lower() or "space" in world.row(made).reason.lower()
    world.target.refuse = None
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    assert world.serving() == {"1.1.0": 100}


def test_what_can_never_start_ends_the_rollout(world: World) -> None:
    """A program that is not there is no reason to wait."""
    first(world)
    made = world.begin(order("1.1.0"))
    world.target.refuse = Permanent("the program 'shop' is nowhere")
    world.run(made)
    assert world.row(made).outcome == "aborted-before-traffic"
    assert "is nowhere" in world.row(made).reason


def test_bytes_that_changed_on_disk_are_not_deployed(world: World) -> None:
    """The stored bundle is hashed before it is installed."""
    first(world)
    world.blobs.rotten = {digest("b1.1.0")}
    made = world.begin(order("1.1.0"))
    world.run(made)
    assert world.row(made).outcome == "aborted-before-traffic"
    assert "changed on disk" in world.row(made).reason


@pytest.mark.parametrize("kind", ["recreate", "rolling", "blue-green"])
@pytest.mark.parametrize("fault", ["gone", "rotten"])
def test_nothing_that_serves_is_stopped_for_bytes_that_are_not_there(
    world: World, kind: str, fault: str
) -> None:
    """A bundle that is gone or changed is found out first: what ran before serves on, never touched."""
    first(world)
    running = set(world.target.alive)
    getattr(world.blobs, fault).add(digest("b1.1.0"))
    made = world.begin(order("1.1.0", strategy=StrategySpec(kind=kind)))  # type: ignore[arg-type]
    world.run(made)
    assert world.row(made).outcome == "aborted-before-traffic"
    assert digest("b1.1.0") in world.row(made).reason
    assert (world.target.stops, world.target.alive) == ([], running)
    assert world.serving() == {"1.0.0": 100}


def test_a_tick_delivered_twice_does_its_work_once(world: World) -> None:
    """Two ticks of one revision, one after the other: the second finds the row moved on."""
    made = world.begin(order())
    tick = deploy.FLOWS["deploy.tick"].function
    for _ in range(2):
        tick(world.database, None, deployment_id=made, revision=0)
    assert world.row(made).revision == 1
    assert len(world.instances(made)) == 2


def test_two_ticks_at_once_launch_no_instance_twice(world: World) -> None:
    """A slow tick and the one that was sent after it: instances are counted where they are written."""
    from clearway.deploy import acts, decide, flows

    made = world.begin(order())
    row = world.row(made)
    stages = flows.stages_of(row, None)
    with world.database.read() as uow:
        look = decide.Look(uow.now(), [])
    decision = decide.decide(row, stages, look)
    acts.launch_rows(world.database, row, None, stages[0])
    acts.act(world.database, row, None, stages, decision, look)
    assert len(world.instances(made)) == 2


def test_what_a_failed_rollout_left_is_cleaned_up(world: World) -> None:
    """When even the way back fails, people are told; after the next good rollout nothing of it runs."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    world.faulty = {"1.1.0"}
    world.target.broken = {"1.0.0"}
    world.run(made)
    assert world.row(made).outcome == "failed"
    world.target.broken = set()
    better = world.begin(order("1.2.0"))
    world.run(better)
    world.settle(60)
    assert world.alive() == ["1.2.0", "1.2.0"]
    assert world.serving() == {"1.2.0": 100}


def test_an_instance_can_say_who_it_is(world: World) -> None:
    """A running process traces back to release, deployment and instance by its environment."""
    made = first(world)
    each = world.instances(made)[0]
    variables = world.target.launched[each.id].variables
    assert variables["CLEARWAY_RELEASE"] == each.release_digest
    assert variables["CLEARWAY_DEPLOYMENT"] == made
    assert variables["CLEARWAY_INSTANCE"] == each.id
    assert variables["PORT"] == str(each.port)


def test_a_lost_tick_is_sent_again(world: World) -> None:
    """A rollout whose tick vanished (a crashed worker, a fault) is woken by the chore."""
    made = world.begin(order())
    world.queue.waiting.clear()
    world.clock.advance(60)
    world.look_after()
    world.run(made)
    assert world.row(made).outcome == "succeeded"


def test_ports_are_the_service_s_own_and_stay(world: World) -> None:
    """The listener's port is chosen once; the next release answers at the same address."""
    first(world)
    with world.database.read() as uow:
        before = deploy.listeners(uow)
    made = world.begin(order("1.1.0"))
    world.run(made)
    with world.database.read() as uow:
        assert deploy.listeners(uow) == before
        used = [row.port for row in store.load_instances(uow, {"wanted": "running"})]
    assert len({*used, before["shop", "prod"]}) == len(used) + 1


def test_counters_of_a_restarted_instance_count_on(world: World) -> None:
    """A reset in the middle of the canary neither loses nor invents requests (see test_measure)."""
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).stage == 1 and world.row(made).phase == "hold")
    for port in world.metrics.samples:
        world.metrics.samples[port] = [Sample("requests_total", {"status": "200"}, 1.0)]
    world.run(made)
    assert world.row(made).outcome == "succeeded"
    totals = world.row(made).measured["totals"]
    assert all(value >= 0 for side in totals.values() for value in side.values())


def test_a_plan_shows_the_same_stages(world: World) -> None:
    """What is approved is what is done: the steps of the plan are the stages of the rollout."""
    first(world)
    asked = order("1.1.0", strategy=CANARY)
    with world.database.read() as uow:
        planned = deploy.steps(asked, deploy.current(uow, "shop", "prod"))
    made = world.begin(asked)
    with world.database.read() as uow:
        assert deploy.stages_shown(uow, world.row(made)) == [step.text for step in planned]
    assert [step.kind for step in planned] == ["judge", "judge", "judge", "shift"]


def test_the_line_can_be_stopped_and_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """halt holds what moves, before its next step; resume lets it go on."""
    from clearway import access

    monkeypatch.setattr(access, "require", lambda *args, **options: None)
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    with world.database.begin() as uow:
        deploy.halt(uow, DEV, "something smells")
    world.run(made, until=lambda: world.row(made).state == "held")
    weights = world.row(made).weights
    for _ in range(40):
        world.pass_time()
        world.tick()
    assert world.row(made).weights == weights
    with world.database.begin() as uow:
        deploy.resume(uow, DEV, "it was the drain")
    world.run(made)
    assert world.row(made).outcome == "succeeded"


def test_abort_turns_a_moving_rollout_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person can turn it back; afterwards there is nothing to turn back."""
    from clearway import access

    monkeypatch.setattr(access, "require", lambda *args, **options: None)
    first(world)
    made = world.begin(order("1.1.0", strategy=CANARY))
    world.run(made, until=lambda: world.row(made).phase == "hold")
    with world.database.begin() as uow:
        deploy.abort(uow, DEV, made, "I don't like it")
    world.run(made)
    assert world.row(made).outcome == "rolled-back"
    with world.database.begin() as uow, pytest.raises(Conflict):
        deploy.abort(uow, DEV, made, "again")


def test_warm_time_is_kept(world: World) -> None:
    """The old side runs for the warm time, no longer."""
    first(world)
    made = world.begin(order("1.1.0", strategy=StrategySpec(kind="blue-green", warm=timedelta(seconds=20))))
    world.run(made)
    world.settle(15)
    assert world.alive() == ["1.0.0", "1.0.0", "1.1.0", "1.1.0"]
    world.settle(10)
    assert world.alive() == ["1.1.0", "1.1.0"]
