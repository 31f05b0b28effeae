"""Change requests write themselves; approvals stand under one plan only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from databases import make_database

from clearway import changes, ledger
from clearway.changes import ChangeFacts, assess
from clearway.kernel import Actor, Conflict

FACTS = ChangeFacts(
    service="shop",
    environment="prod",
    version="1.1.0",
    replaces="1.0.0",
    kind="rollout",
    production=True,
    emergency=False,
    reason="spring sale",
    requested_by="dev",
    commits=3,
    breaking=0,
    migrations=(),
    configuration_changes=(),
    strategy="canary",
    rollback_possible=True,
    rollback_to="1.0.0",
    rollback_why="it reads the data that 1.1.0 writes",
    affected=(),
)


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({}, "low", "3 commits by canary"),
        ({"migrations": ("orders",)}, "medium", "stored data changes: orders"),
        ({"configuration_changes": ("GREETING",)}, "medium", "configuration changes: GREETING"),
        ({"breaking": 1}, "high", "1 breaking change"),
        ({"emergency": True}, "high", "a freeze is overridden"),
        ({"rollback_possible": False, "rollback_why": "it cannot"}, "high", "going back is not possible"),
        ({"strategy": "recreate"}, "medium", "stops while it is replaced"),
        ({"warnings": ("weekend",)}, "medium", "a gate warns: weekend"),
    ],
)
def test_every_risk_has_its_reason(change, level, said) -> None:
    """The level is the worst reason's, and the worst reason stands first."""
    risk = assess(replace(FACTS, **change))
    assert risk.level == level
    assert said in risk.reasons[0]


def test_a_change_request_says_why_what_and_how_back(tmp_path) -> None:
    """Opened with a promotion, it holds reason, impact and way back; closing is recorded once."""
    database = make_database(tmp_path)
    with database.begin() as uow:
        opened = changes.open_request(uow, Actor("dev"), "prm_1", FACTS)
        changes.close_request(uow, "prm_1", "implemented")
        changes.close_request(uow, "prm_1", "backed-out")
        known = changes.change_request(uow, "prm_1")
        closings = ledger.entries(uow, action_prefix="change.closed").items
    assert opened.reason == "spring sale"
    assert "1.0.0 is replaced" in opened.impact
    assert opened.rollback_plan == "Return to 1.0.0: it reads the data that 1.1.0 writes."
    assert known.status == "implemented"
    assert known.closed_at == datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    assert len(closings) == 1
    assert known.to_json()["risk"]["level"] == "low"


def test_an_approval_under_another_plan_becomes_void(tmp_path) -> None:
    """It stays on record, with the reason, in the table and in the ledger; the fresh one stands."""
    database = make_database(tmp_path)
    old, new = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    with database.begin() as uow:
        changes.record_approval(uow, Actor("ann"), "prm_1", old, "reviewed", "")
        changes.record_approval(uow, Actor("bob"), "prm_1", new, "reviewed", "")
        voided = changes.void_approvals(uow, "prm_1", new, "the plan changed", because={"x": 1})
        again = changes.void_approvals(uow, "prm_1", new, "the plan changed")
        known = changes.approvals_of_many(uow, ["prm_1", "prm_2"])
        entries = ledger.entries(uow, action_prefix="approval.voided").items
    assert [each.actor for each in voided] == ["ann"]
    assert again == ()
    assert [(each.actor, each.counts) for each in known["prm_1"]] == [("ann", False), ("bob", True)]
    assert known["prm_2"] == ()
    assert entries[0].data["because"] == {"x": 1}


def test_nobody_signs_the_same_plan_twice(tmp_path) -> None:
    """Two signatures of one person are one signature."""
    database = make_database(tmp_path)
    with database.begin() as uow:
        changes.record_approval(uow, Actor("ann"), "prm_1", "sha256:1", "reviewed", "")
        with pytest.raises(Conflict, match="already approved"):
            changes.record_approval(uow, Actor("ann"), "prm_1", "sha256:1", "reviewed", "")
