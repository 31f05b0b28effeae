"""Incidents, figures and notices on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from postgres import make_postgres

from clearway import access, incidents, metrics, notices, workflow
from clearway.deploy import DeploymentFinished, DeploymentGoingBack
from clearway.kernel import Actor, FixedClock
from clearway.metrics import FakeHistory, History
from clearway.metrics.service import count_changes
from clearway.notices import FakeSender, Sender
from clearway.storage import Database

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("postgres")]

ADMIN = Actor("admin")


class Queued:
    def __init__(self) -> None:
        self.waiting: list[tuple[str, dict[str, Any]]] = []

    def enqueue(self, uow: object, flow: str, key: str, args: dict[str, Any]) -> None:
        self.waiting.append((flow, args))


class Here:
    key = "here"

    def step(self, name: str, function: Any, *args: Any) -> Any:
        return function(*args)


@pytest.fixture
def tools() -> dict[type[Any], Any]:
    clock, history = FixedClock(), FakeHistory()
    history.add("c1", clock() - timedelta(hours=3))
    history.add("c2", clock() - timedelta(hours=2), "c1")
    history.versions = {("shop", "1.0"): "c1", ("shop", "1.1"): "c2"}
    return {workflow.Starter: Queued(), History: history, Sender: FakeSender()}


@pytest.fixture
def database(tools: dict[type[Any], Any]) -> Iterator[Database]:
    database = make_postgres(tools=tools)
    for room in (incidents, metrics):
        for kind, handler in room.SUBSCRIBERS:  # type: ignore[attr-defined]
            database.bus.subscribe(kind, handler)
    with database.begin() as uow:
        access.bootstrap(uow)
        hook = {"kind": "Notice", "name": "hook", "events": ("incident.*",), "url": "json://h/x"}
        notices.apply(uow, ADMIN, [notices.NoticeDocument.model_validate(hook)])
    yield database
    database.dispose()


def test_a_bad_release_is_an_incident_a_figure_and_a_message(
    database: Database, tools: dict[type[Any], Any]
) -> None:
    """The same story as on SQLite: opened, restored, counted, told, resolved."""
    place = ("shop", "prod")
    for deployment, version in (("d0", "1.0"), ("d1", "1.1")):
        with database.begin() as uow:
            uow.publish(DeploymentFinished(deployment, *place, version, "succeeded", "", True, "rollout"))
        count_changes(database, deployment)
        database.clock.advance(60)  # type: ignore[attr-defined]
    with database.begin() as uow:
        uow.publish(DeploymentGoingBack("d2", *place, "1.2", "errors", True))
    database.clock.advance(30)  # type: ignore[attr-defined]
    with database.begin() as uow:
        uow.publish(DeploymentFinished("d2", *place, "1.2", "rolled-back", "errors", True, "rollout"))
        found = incidents.incidents(uow).items[0]
        incidents.acknowledge(uow, ADMIN, found.id)
        incidents.resolve(uow, ADMIN, found.id, "Reverted.")
        incidents.finish_action(
            uow, ADMIN, found.id, incidents.add_action(uow, ADMIN, found.id, "Test", "dev").id
        )
    with database.read() as uow:
        report = metrics.dora(uow, "shop", "prod").to_json()["figures"]
        assert report["change_lead_time"]["ids"] == ["c2"]
        assert report["failed_deployment_recovery_time"]["value"] == 30
        assert report["change_fail_rate"]["value"] == pytest.approx(1 / 3)
        assert incidents.incident(uow, found.id).status == "resolved"
    notices.watch(database)
    queued = tools[workflow.Starter]
    for flow, args in [(flow, args) for flow, args in queued.waiting if flow.startswith("notices.")]:
        notices.FLOWS[flow].function(database, Here(), **args)
    assert len(tools[Sender].sent) == 6
