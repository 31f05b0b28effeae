"""Whatever people do and in whatever order: the promises about promotions hold after every step."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from house import DANA, OTTO, QUIN, RITA, ROOT, House
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clearway import config, deploy, ledger, releases
from clearway.kernel import Conflict, Refused
from clearway.releases.flows import sweep

PLACES = st.sampled_from(["dev", "uat"])
FREEZE = """
kind: Calendar
name: stop
freezes: [{name: f, reason: closed, days: [mon, tue, wed, thu, fri, sat, sun]}]
"""
THAW = "{kind: Calendar, name: stop}"


class Promotions(RuleBasedStateMachine):
    """People promote, approve, reject, change, freeze and go back; the worker works, or is killed."""

    @initialize()
    def build_house(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.house = House(self.folder)
        self.versions = 0
        self.frozen = False
        self.begun: dict[str, str] = {}  # promotion -> the plan under which its deployment began
        self.make_release()

    def teardown(self) -> None:
        if hasattr(self, "house"):
            self.house.database.dispose()
            shutil.rmtree(self.folder, ignore_errors=True)

    @rule()
    def make_release(self) -> None:
        self.versions += 1
        self.house.commit(f"feat: number {self.versions}")
        self.house.release(f"1.{self.versions}.0")

    @rule(place=PLACES, back=st.integers(0, 2))
    def promote(self, place: str, back: int) -> None:
        version = f"1.{max(1, self.versions - back)}.0"
        try:
            self.house.promote(version, place)
        except Conflict:
            assert any(each.open and each.version == version for each in self.house.at(place))

    @rule(place=PLACES, actor=st.sampled_from([DANA, RITA, QUIN, OTTO]))
    def approve(self, place: str, actor) -> None:
        for each in self.house.at(place):
            if each.state == "waiting-approval":
                try:
                    self.house.approve(each.id, actor)
                except Refused:
                    assert actor in (DANA, OTTO)
                except Conflict:
                    assert any(signed.actor == actor.name for signed in each.standing)
                else:
                    assert actor in (RITA, QUIN)

    @rule(place=PLACES)
    def reject(self, place: str) -> None:
        for each in self.house.at(place)[:1]:
            with self.house.database.begin() as uow:
                try:
                    releases.reject(uow, RITA, each.id, "no")
                except Conflict:
                    assert each.state not in releases.WAITING

    @rule(place=PLACES, text=st.sampled_from(["a", "b", "c"]))
    def change_configuration(self, place: str, text: str) -> None:
        with self.house.database.begin() as uow:
            config.set_value(uow, ROOT, "shop", place, "GREETING", text, "because")

    @rule()
    def freeze(self) -> None:
        self.house.apply(THAW if self.frozen else FREEZE)
        self.frozen = not self.frozen

    @rule(place=PLACES)
    def roll_back(self, place: str) -> None:
        # Nothing to go back to is an answer.
        with contextlib.suppress(Conflict), self.house.database.begin() as uow:
            releases.rollback(uow, OTTO, "shop", place, "smoke")

    @rule(steps=st.integers(1, 12))
    def work(self, steps: int) -> None:
        for _ in range(steps):
            self.house.step()

    @rule()
    def work_until_idle(self) -> None:
        self.house.wait(90)

    @precondition(lambda self: self.house.queue.waiting)
    @rule()
    def lose_the_queue(self) -> None:
        """A worker dies with what it held; the sweep and deploy's own late start find it again."""
        kept = [each for each in self.house.queue.waiting if not each[0].startswith("releases.advance")]
        self.house.queue.waiting = kept
        self.house.clock.advance(90)
        sweep(self.house.database)

    def everything(self) -> list[releases.Promotion]:
        with self.house.database.read() as uow:
            return list(releases.promotions(uow, limit=500).items)

    @invariant()
    def what_began_was_approved_under_its_plan_by_others(self) -> None:
        """Promise 2: a deployment exists only under a plan that enough other people signed."""
        if not hasattr(self, "house"):
            return
        for each in self.everything():
            if each.deployment_id is None:
                continue
            first = self.begun.setdefault(each.id, each.plan_hash)
            assert each.plan_hash == first, "the plan changed under a deployment"
            assert each.plan["hash"] == first, "what was signed is not what was planned last"
            with self.house.database.read() as uow:
                order = deploy.deployment(uow, each.deployment_id).order
            planned = {line["key"]: line["value"] for line in each.plan["content"]["configuration"]}
            assert planned["GREETING"] == json.dumps(order.config["values"]["GREETING"]["value"])
            if each.kind == "rollout" and each.environment == "uat":
                signed = {approval.actor for approval in each.standing}
                assert signed & {"rita", "quin"}
                assert not signed & {"dana", "otto"}

    @invariant()
    def one_deployment_a_place_and_one_a_promotion(self) -> None:
        """Nothing is deployed twice, and no two at once."""
        if not hasattr(self, "house"):
            return
        found = self.everything()
        for place in ("dev", "uat"):
            moving = [each.id for each in found if each.environment == place and each.state == "deploying"]
            assert len(moving) <= 1
        ordered = [each.deployment_id for each in found if each.deployment_id]
        assert len(ordered) == len(set(ordered))
        with self.house.database.read() as uow:
            known = {each.id for each in deploy.deployments(uow, service="shop", limit=500)}
        assert known == set(ordered)

    @invariant()
    def every_state_is_in_the_ledger(self) -> None:
        """Promise 3: the state and the last entry about it tell the same."""
        if not hasattr(self, "house"):
            return
        with self.house.database.read() as uow:
            for each in self.everything():
                page = ledger.entries(uow, subject=f"promotion:{each.id}", limit=1000)
                actions = [entry.action for entry in page.items]
                if each.state in releases.ENDED or each.state == "deploying":
                    assert f"promotion.{each.state}" in actions

    @invariant()
    def what_waits_can_be_woken(self) -> None:
        """Promise 4: a waiting promotion waits for people, or has a moment at which it is looked at."""
        if not hasattr(self, "house"):
            return
        for each in self.everything():
            if each.state in ("held", "waiting-window"):
                assert each.wake_at is not None


TestPromises = Promotions.TestCase
TestPromises.settings = settings(
    max_examples=8,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPromises = pytest.mark.timeout(600)(TestPromises)
