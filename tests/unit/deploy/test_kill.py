"""kill -9 at every place of a canary: the end is the same as if nothing had happened.

The ticks run in a child process that kills itself, by SIGKILL, before or after each commit and each call
that changes the world. What it leaves (database, processes, the router's state) is found by the next one.
"""

from __future__ import annotations

import os
import pickle
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rollouts import CANARY, Points, World, order

from clearway.catalog import CanaryStep
from clearway.deploy import store
from clearway.deploy.ports import FakeMetrics, FakeRouter, FakeTarget
from clearway.kernel import FixedClock

SHORT = CANARY.model_copy(
    update={
        "steps": tuple(CanaryStep(weight=share, hold=timedelta(seconds=1)) for share in (10, 50, 100)),
    }
)
SLICES = 4  # so that several workers can share the places


class Outside:
    """What outlives a killed process: processes, the router, the time, what was delivered."""

    def __init__(self, file: Path, world: World) -> None:
        self.file, self.world = file, world
        if file.exists():
            self.load()

    def load(self) -> None:
        """Find what the last life left."""
        target, router, metrics, now, waiting, seen = pickle.loads(self.file.read_bytes())  # noqa: S301 - our own file
        vars(self.world.target).update(target)
        vars(self.world.router).update(router)
        vars(self.world.metrics).update(metrics)
        self.world.clock.instant = now
        self.world.queue.waiting.extend(waiting)
        self.world.queue.seen.update(seen)

    def save(self) -> None:
        """The world goes on without us."""
        world = self.world
        kept: tuple[Any, ...] = (
            vars(world.target), vars(world.router), vars(world.metrics), world.clock.instant,
            list(world.queue.waiting), set(world.queue.seen),
        )  # fmt: skip
        self.file.write_bytes(pickle.dumps(kept))


def live(folder: Path, deployment_id: str, faulty: set[str], kill_at: int | None) -> int:
    """One life of a worker: runs the rollout to its end in a child process, or to its kill. How it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _live(folder, deployment_id, faulty, kill_at)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status


def _live(folder: Path, deployment_id: str, faulty: set[str], kill_at: int | None) -> int:
    points = Points()
    world = World(folder, points=points, faulty=faulty)
    outside = Outside(folder / "outside", world)

    def die() -> None:
        outside.save()
        os.kill(os.getpid(), signal.SIGKILL)

    points.at, points.passed, points._die = kill_at, 0, die
    points.names.clear()
    if (
        not world.queue.waiting
    ):  # killed after a commit, before the engine heard of it: it reads its own table
        row = world.row(deployment_id)
        if row.active and row.wake_at and row.wake_at <= world.clock():
            world.queue._add(f"{row.id}/{row.revision}", {"deployment_id": row.id, "revision": row.revision})
    world.run(deployment_id)
    outside.save()
    (folder / "points").write_text("\n".join(points.names))
    return 0


def prepare(folder: Path) -> str:
    """1.0.0 serves, 1.1.0 is ordered; the id of its rollout."""
    world = World(folder)
    world.run(world.begin(order()))
    made = world.begin(order("1.1.0", strategy=SHORT))
    Outside(folder / "outside", world).save()
    world.database.dispose()
    return made


def copy_of(prepared: Path, folder: Path) -> Path:
    """The same beginning again."""
    folder.mkdir()
    for name in ("clearway.db", "outside", "made"):
        (folder / name).write_bytes((prepared / name).read_bytes())
    return folder


def end_state(folder: Path, deployment_id: str) -> dict[str, Any]:
    """Everything about the end that people, pages and the next rollout see."""
    world = World(folder)
    Outside(folder / "outside", world)
    row = world.row(deployment_id)
    with world.database.read() as uow:
        running = store.load_instances(uow, {"wanted": "running"})
    state = {
        "outcome": row.outcome,
        "state": row.state,
        "weights": [(g == row.id, w) for g, w in row.weights.items()],
        "verdict": (row.judgement or {}).get("verdict"),
        "looks": row.look,
        "serving": dict(world.serving()),
        "alive": world.alive(),
        "instances": sorted((each.version, each.side) for each in running),
        "told": world.actions(deployment_id),
    }
    world.database.dispose()
    return state


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_killed_anywhere_it_ends_the_same(tmp_path: Path, good: bool, part: int) -> None:
    """Every place, one after another: same outcome, same traffic, same processes, each fact told once."""
    faulty = set() if good else {"1.1.0"}
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    made = prepare(prepared)
    calm = copy_of(prepared, tmp_path / "calm")
    assert _live(calm, made, faulty, None) == 0  # in this process: what it loads, every child inherits
    expected = end_state(calm, made)
    assert expected["outcome"] == ("succeeded" if good else "rolled-back")
    places = (calm / "points").read_text().split("\n")
    assert {"before apply", "after apply", "before start", "before commit", "after commit"} <= set(places)
    for index in range(1 + part, len(places) + 1, SLICES):
        folder = copy_of(prepared, tmp_path / f"at-{index}")
        assert os.WTERMSIG(live(folder, made, faulty, index)) == signal.SIGKILL
        assert live(folder, made, faulty, None) == 0, (index, places[index - 1])
        assert end_state(folder, made) == expected, (index, places[max(0, index - 6) : index])


def test_the_fakes_can_be_carried_over(tmp_path: Path) -> None:
    """The test above would prove nothing if a life did not find what the one before left."""
    world = World(tmp_path)
    world.run(world.begin(order()))
    alive = world.alive()
    Outside(tmp_path / "outside", world).save()
    world.database.dispose()
    again = World(
        tmp_path, target=FakeTarget(), router=FakeRouter(), metrics=FakeMetrics(), clock=FixedClock()
    )
    assert again.alive() == []
    Outside(tmp_path / "outside", again)
    assert again.alive() == alive
    again.database.dispose()
