"""Figures from what deployments and incidents tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import access, catalog, incidents, ledger, metrics, workflow
from clearway.deploy import DeploymentFinished, DeploymentGoingBack
from clearway.kernel import Actor, Event, Invalid, NotFound, Refused, by_kind, load_documents
from clearway.metrics import FakeHistory, History
from clearway.metrics.service import count_changes
from clearway.storage import Bus, Database

ADMIN = Actor("admin")
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
PLATFORM = """
{kind: Team, name: web}
---
{kind: Environment, name: uat, order: 1}
---
{kind: Environment, name: prod, type: production, order: 2}
---
{kind: Route, name: standard, environments: [uat, prod]}
---
{kind: Route, name: inner, environments: [uat]}
---
{kind: Service, name: shop, team: web, repository: /srv/shop, route: standard}
---
{kind: Service, name: tool, team: web, repository: /srv/tool, route: inner}
"""


class Queued:
    """Stands where the engine stands."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, dict[str, Any]]] = []

    def enqueue(self, uow: object, flow: str, key: str, args: dict[str, Any]) -> None:
        if key not in {known for _, known, _ in self.started}:
            self.started.append((flow, key, args))


@pytest.fixture
def queued() -> Queued:
    return Queued()


@pytest.fixture
def history() -> FakeHistory:
    made = FakeHistory()
    made.add("c1", START - timedelta(hours=9))
    made.add("c2", START - timedelta(hours=5), "c1")
    made.add("side", START - timedelta(hours=3), "c1")
    made.add("c3", START - timedelta(hours=2), "c2", "side")
    made.add("c4", START - timedelta(hours=1), "c3")
    made.versions = {
        ("shop", "1.0"): "c1",
        ("shop", "1.1"): "c3",
        ("shop", "1.2"): "c4",
        ("shop", "1.3"): "c4",
    }
    return made


@pytest.fixture
def database(tmp_path: Path, queued: Queued, history: FakeHistory) -> Iterator[Database]:
    bus = Bus()
    for room in (incidents, metrics):
        for kind, handler in room.SUBSCRIBERS:  # type: ignore[attr-defined]
            bus.subscribe(kind, handler)
    database = make_database(tmp_path, bus=bus, tools={workflow.Starter: queued, History: history})
    with database.begin() as uow:
        access.bootstrap(uow)
        documents = [model for model, _ in load_documents(PLATFORM, "platform.yaml", by_kind(catalog.KINDS))]
        catalog.apply(uow, ADMIN, documents)
    yield database
    database.dispose()


def tell(database: Database, event: Event, later: float = 3600) -> None:
    database.clock.advance(later)  # type: ignore[attr-defined]
    with database.begin() as uow:
        uow.publish(event)


def finished(
    id: str, version: str, outcome: str = "succeeded", kind: str = "rollout", reached: bool = True
) -> Event:
    return DeploymentFinished(id, "shop", "prod", version, outcome, "", reached, kind)  # type: ignore[arg-type]


def run_queued(database: Database, queued: Queued) -> None:
    class Here:
        key = "here"

        def step(self, name: str, function: Any, *args: Any) -> Any:
            return function(*args)

    for flow, _, args in queued.started:
        metrics.FLOWS[flow].function(database, Here(), **args)
    queued.started.clear()


def figures(database: Database) -> dict[str, Any]:
    with database.read() as uow:
        found: dict[str, Any] = metrics.dora(uow, "shop").to_json()["figures"]
        return found


@pytest.mark.parametrize("kept", [True, False])
def test_the_story_of_three_releases(database: Database, queued: Queued, kept: bool) -> None:
    """First release: no baseline. Second: its three commits. Third goes back: it failed, and is restored.
    The figures are the same whether the counting flow has run or not yet."""
    tell(database, finished("d0", "1.0"))
    tell(database, finished("d1", "1.1"))
    tell(database, DeploymentGoingBack("d2", "shop", "prod", "1.2", "errors", True))
    tell(database, finished("d2", "1.2", "rolled-back"), later=60)
    if kept:
        run_queued(database, queued)
    found = figures(database)
    lead = found["change_lead_time"]
    assert sorted(lead["ids"]) == ["c2", "c3", "side"]
    assert lead["excluded"] == {"no baseline": 1}
    assert lead["value"] == 5 * 3600  # side: committed three hours before the start, live two hours after it
    assert found["deployment_frequency"]["ids"] == ["d0", "d1"]
    assert found["failed_deployment_recovery_time"]["value"] == 60
    assert found["change_fail_rate"]["value"] == pytest.approx(1 / 3)
    assert found["deployment_rework_rate"]["value"] == 0


def test_a_redeploy_brings_nothing_new(database: Database, queued: Queued) -> None:
    """Rollbacks and redeploys never restart the clock; rolling forward counts only new commits."""
    for event in (finished("d0", "1.0"), finished("d1", "1.1"), finished("back", "1.0", kind="rollback"),
                  finished("again", "1.1"), finished("d2", "1.2"), finished("same", "1.3")):  # fmt: skip
        tell(database, event)
    run_queued(database, queued)
    lead = figures(database)["change_lead_time"]
    assert sorted(lead["ids"]) == ["c2", "c3", "c4", "side"]
    assert lead["deployments"] == ["d1", "d2"]
    assert lead["excluded"] == {"no baseline": 1}


def test_the_same_event_twice_counts_once(database: Database, queued: Queued) -> None:
    """Events and flows may come again."""
    for event in (finished("d0", "1.0"), finished("d1", "1.1"), finished("d1", "1.1")):
        tell(database, event)
    count_changes(database, "d1")
    count_changes(database, "d1")
    count_changes(database, "nobody")
    run_queued(database, queued)
    assert figures(database)["deployment_frequency"]["count"] == 2
    assert figures(database)["change_lead_time"]["count"] == 3


def test_environments_are_never_blended(database: Database, queued: Queued) -> None:
    """What ends in UAT is no production deployment; each place has its own report."""
    tell(database, DeploymentFinished("u", "shop", "uat", "1.0", "succeeded", "", True, "rollout"))
    tell(database, finished("d0", "1.0"))
    assert figures(database)["deployment_frequency"]["ids"] == ["d0"]
    with database.read() as uow:
        assert metrics.dora(uow, "shop", "uat").figures["deployment_frequency"].ids == ("u",)
        assert [(r.service, r.environment) for r in metrics.dora_all(uow)] == [("shop", "prod")]
        (uat,) = metrics.dora_all(uow, "uat")
        assert uat.figures["deployment_frequency"].ids == ("u",)
        with pytest.raises(NotFound):
            metrics.dora(uow, "tool")


def test_a_name_that_nobody_knows_is_no_empty_answer(database: Database) -> None:
    """A misspelt service or environment is refused: nothing deployed would be a wrong answer."""
    with database.read() as uow:
        assert metrics.dora_all(uow, "uat") == []
        for ask in (
            lambda: metrics.dora(uow, "shop", "prdo"),
            lambda: metrics.dora(uow, "sohp", "prod"),
            lambda: metrics.dora_all(uow, "prdo"),
        ):
            with pytest.raises(NotFound):
                ask()


def test_the_window_holds_for_every_service(database: Database) -> None:
    """How far back is asked of all reports, not only of one service's."""
    tell(database, finished("d0", "1.0"))
    tell(database, finished("d1", "1.1"), later=10 * 86400)
    with database.read() as uow:
        (report,) = metrics.dora_all(uow, start=uow.now() - timedelta(days=5))
        assert report.figures["deployment_frequency"].ids == ("d1",)


@pytest.mark.parametrize("outcome", ["failed", "rolled-back", "aborted-before-traffic"])
def test_what_never_reached_traffic_is_contained(database: Database, outcome: str) -> None:
    """However it is called: without traffic it is no failure in production."""
    tell(database, finished("d0", "1.0", outcome, reached=False))
    rate = figures(database)["change_fail_rate"]
    assert rate["value"] is None
    assert rate["excluded"] == {"contained: aborted before traffic": 1}


def test_a_lost_history_breaks_no_figure(database: Database, history: FakeHistory) -> None:
    """When the commits cannot be read, the deployment still counts, and the gap is told."""
    tell(database, finished("d0", "1.0"))
    tell(database, finished("d1", "1.1"))
    history.broken = True
    found = figures(database)
    assert found["deployment_frequency"]["count"] == 2
    assert found["change_lead_time"]["excluded"] == {"commits unknown": 1, "no baseline": 1}
    history.broken = False
    history.versions.pop(("shop", "1.1"))
    count_changes(database, "d1")
    assert figures(database)["change_lead_time"]["excluded"] == {"commits unknown": 1, "no baseline": 1}


def test_the_default_can_be_declared(database: Database) -> None:
    """`planned` said by a person is kept with who said it, once; it is no default any more."""
    tell(database, finished("d0", "1.0"))
    with database.begin() as uow:
        metrics.declare_intent(uow, ADMIN, "d0", "planned", "it was on the list")
        metrics.declare_intent(uow, ADMIN, "d0", "planned", "again")
        row = metrics.store.row(uow, "d0")
        assert (row.intent, row.declared_by) == ("planned", ADMIN.name)
        (entry,) = ledger.entries(uow, subject="deployment:d0").items
    assert (entry.data["before"], entry.data["after"]) == ("planned", "planned")


def test_intent_may_be_declared_later_and_leaves_a_trace(database: Database) -> None:
    """A hotfix is declared as rework; who did it and what it was before is in the ledger."""
    tell(database, finished("d0", "1.0"))
    with database.begin() as uow:
        metrics.declare_intent(uow, ADMIN, "d0", "rework", "it fixed the checkout")
        metrics.declare_intent(uow, ADMIN, "d0", "rework", "again")
        for actor, deployment, intent, error in (
            (Actor("nobody"), "d0", "planned", Refused),
            (ADMIN, "d0", "urgent", Invalid),
            (ADMIN, "none", "planned", NotFound),
        ):
            with pytest.raises(error):
                metrics.declare_intent(uow, actor, deployment, intent, "")
        (entry,) = ledger.entries(uow, subject="deployment:d0").items
    assert (entry.action, entry.data["before"], entry.data["after"]) == (
        "deployment.intent-declared", "planned", "rework",
    )  # fmt: skip
    assert figures(database)["deployment_rework_rate"]["value"] == 1


@pytest.mark.parametrize(
    "asked",
    [{"zone": "Moon/Base"}, {"zone": "../etc/passwd"}, {"start": START + timedelta(days=9)},
     {"start": START - timedelta(days=9999)}],
)  # fmt: skip
def test_a_window_that_is_none_is_refused(database: Database, asked: dict[str, Any]) -> None:
    """Zones are IANA names, and a window ends after it starts."""
    with database.read() as uow, pytest.raises(Invalid):
        metrics.dora(uow, "shop", **asked)
