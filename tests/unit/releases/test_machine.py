"""The decision about a waiting promotion, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.policy import Decision, Verdict
from clearway.releases.calendar import Answer
from clearway.releases.machine import View, decide

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=5)
OPEN = Answer(True, False, (), NOW)
SHUT = Answer(False, True, ("year-end: closed",), LATER)


def no(**facts: object) -> Decision:
    return Decision((Verdict("g", "no", "block", "because", "", facts),))


READY = View(
    now=NOW,
    kind="rollout",
    first=False,
    superseded_by=None,
    problems=(),
    gates=Decision(),
    approvals=1,
    approvals_needed=1,
    route=(),
    soak_in="uat",
    soaked_at=NOW,
    window=OPEN,
    override_freeze=False,
    busy=None,
)


@pytest.mark.parametrize(
    ("change", "state", "wake"),
    [
        ({}, "deploying", None),
        ({"superseded_by": "2.0"}, "superseded", None),
        ({"approvals": 0}, "waiting-approval", None),
        ({"route": ("dev comes first",)}, "waiting-soak", None),
        ({"route": ("dev comes first",), "approvals": 0}, "waiting-soak", None),
        ({"soaked_at": LATER}, "waiting-soak", LATER),
        ({"soaked_at": None}, "waiting-soak", None),
        ({"window": SHUT}, "waiting-window", LATER),
        ({"window": SHUT, "override_freeze": True}, "deploying", None),
        ({"busy": "prm_1"}, "held", NOW + timedelta(seconds=60)),
        ({"gates": no(**{"incidents.open": 1})}, "held", NOW + timedelta(seconds=60)),
        ({"gates": no(**{"evidence.tests.failed": 1})}, "held", NOW + timedelta(seconds=60)),
        ({"gates": no(**{"evidence.tests.failed": 1}), "first": True}, "refused", None),
        ({"gates": no(), "first": True}, "refused", None),
        ({"gates": no(**{"incidents.open": 1}), "first": True}, "held", NOW + timedelta(seconds=60)),
        ({"problems": ("configuration KEY is missing",), "first": True}, "refused", None),
        ({"problems": ("configuration KEY is missing",)}, "held", NOW + timedelta(seconds=60)),
    ],
)
def test_each_obstacle_has_its_state(change, state, wake) -> None:
    """What is in the way names the state, and when to look again where no event would tell."""
    found = decide(replace(READY, **change))
    assert (found.state, found.wake_at) == (state, wake)


def test_a_waiting_without_an_end_looks_again_tomorrow() -> None:
    """A calendar that never opens is looked at daily: somebody may mend it without telling."""
    never = Answer(False, True, ("always",), None)
    assert decide(replace(READY, window=never)).wake_at == NOW + timedelta(days=1)


def test_a_way_back_waits_for_a_free_place_only() -> None:
    """No approval, soak, window or gate stands between on-call and the last good release."""
    view = replace(
        READY,
        kind="rollback",
        approvals=0,
        route=("dev",),
        soaked_at=None,
        window=SHUT,
        gates=no(**{"evidence.x": 1}),
    )
    assert decide(view).state == "deploying"
    assert decide(replace(view, busy="prm_1")).state == "held"


def test_a_warning_stops_nothing() -> None:
    """A gate that warns and says no lets it pass."""
    warn = Decision((Verdict("g", "no", "warn", "because"),))
    assert decide(replace(READY, gates=warn, first=True)).state == "deploying"


VIEWS = st.builds(
    View,
    now=st.just(NOW),
    kind=st.just("rollout"),
    first=st.booleans(),
    superseded_by=st.none() | st.just("2.0"),
    problems=st.sampled_from([(), ("configuration A is missing",)]),
    gates=st.sampled_from([Decision(), no(**{"incidents.open": 1}), no(**{"evidence.x": 1}), no()]),
    approvals=st.integers(0, 3),
    approvals_needed=st.integers(0, 3),
    route=st.sampled_from([(), ("dev comes first",)]),
    soak_in=st.none() | st.just("uat"),
    soaked_at=st.none() | st.sampled_from([NOW - timedelta(hours=1), NOW, LATER]),
    window=st.sampled_from([OPEN, SHUT]),
    override_freeze=st.booleans(),
    busy=st.none() | st.just("prm_1"),
)


@given(VIEWS)
def test_nothing_deploys_past_an_obstacle(view: View) -> None:
    """Whatever the view, "deploying" means that every single condition holds."""
    if decide(view).state == "deploying":
        assert view.superseded_by is None
        assert not view.problems
        assert view.gates.allowed
        assert not view.route
        assert view.approvals >= view.approvals_needed
        assert view.soak_in is None or (view.soaked_at is not None and view.soaked_at <= view.now)
        assert view.window.open or view.override_freeze
        assert view.busy is None
