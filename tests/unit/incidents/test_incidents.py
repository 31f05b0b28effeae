"""Incidents: opened and restored by what deployments tell, closed by people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from databases import make_database

from clearway import access, catalog, deploy, incidents, ledger, workflow
from clearway.deploy import DeploymentFinished, DeploymentGoingBack, ServingAgain
from clearway.deploy import store as deploy_store
from clearway.incidents import Incident, IncidentOpened, IncidentResolved, IncidentRestored
from clearway.kernel import (
    SYSTEM,
    Actor,
    Conflict,
    Event,
    Invalid,
    NotFound,
    Refused,
    by_kind,
    load_documents,
)
from clearway.storage import Bus, Database

ONA, VERA = Actor("ona"), Actor("vera")


class Deaf:
    """Stands where the engine stands and starts nothing."""

    def enqueue(self, uow: object, flow: str, key: str, args: object) -> None:
        pass


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def database(tmp_path: Path, heard: list[Event]) -> Iterator[Database]:
    bus = Bus()
    for kind, handler in incidents.SUBSCRIBERS:
        bus.subscribe(kind, handler)
    for kind in (IncidentOpened, IncidentRestored, IncidentResolved):
        bus.subscribe(kind, lambda uow, event: heard.append(event))
    database = make_database(tmp_path, bus=bus, tools={workflow.Starter: Deaf()})
    with database.begin() as uow:
        access.bootstrap(uow)
        people = [
            access.UserDocument.model_validate({"name": "ona", "roles": ["on-call"]}),
            access.UserDocument.model_validate({"name": "vera", "roles": ["viewer"]}),
        ]
        access.apply(uow, Actor("admin"), people)
    yield database
    database.dispose()


def tell(database: Database, event: Event) -> None:
    with database.begin() as uow:
        uow.publish(event)


def going_back(
    deployment: str = "dep_2", reached: bool = True, environment: str = "prod"
) -> DeploymentGoingBack:
    return DeploymentGoingBack(deployment, "shop", environment, "1.2.0", "errors: 8 % against 0 %", reached)


def finished(
    outcome: str,
    deployment: str = "dep_2",
    kind: str = "rollout",
    reached: bool = True,
    version: str = "1.2.0",
) -> DeploymentFinished:
    return DeploymentFinished(deployment, "shop", "prod", version, outcome, "errors", reached, kind)  # type: ignore[arg-type]


PLATFORM = """
{kind: Team, name: makers}
---
{kind: Environment, name: uat, order: 1}
---
{kind: Environment, name: prod, order: 2, type: production}
---
{kind: Route, name: straight, environments: [uat, prod]}
---
{kind: Service, name: shop, team: makers, repository: /nowhere, route: straight}
"""


def declare_platform(database: Database) -> None:
    with database.begin() as uow:
        documents = [model for model, _ in load_documents(PLATFORM, "p.yaml", by_kind(catalog.KINDS))]
        catalog.apply(uow, Actor("admin"), documents)


def all_of(database: Database) -> list[Incident]:
    with database.read() as uow:
        return list(incidents.incidents(uow).items)


def actions_of(database: Database, found: Incident) -> list[str]:
    with database.read() as uow:
        return [entry.action for entry in ledger.entries(uow, subject=f"incident:{found.id}").items]


def test_a_canary_that_goes_back_opens_and_its_end_restores(database: Database, heard: list[Event]) -> None:
    """Opened when the way back begins, restored when what ran before is healthy: both stamps are kept."""
    tell(database, going_back())
    opened = all_of(database)[0]
    assert (opened.status, opened.deployment_id, opened.version) == ("open", "dep_2", "1.2.0")
    assert "8 %" in opened.summary
    database.clock.advance(7)  # type: ignore[attr-defined]
    tell(database, finished("rolled-back"))
    (restored,) = all_of(database)
    assert restored.status == "restored"
    assert restored.restored_at is not None
    assert (restored.restored_at - restored.opened_at).total_seconds() == 7
    assert restored.resolved_at is None
    assert actions_of(database, restored) == ["incident.opened", "incident.restored"]
    assert [type(event) for event in heard] == [IncidentOpened, IncidentRestored]


def test_the_same_event_twice_is_one_incident(database: Database) -> None:
    """Events may come again after a crash; nothing happens twice."""
    for event in (going_back(), going_back(), finished("rolled-back"), finished("rolled-back")):
        tell(database, event)
    (found,) = all_of(database)
    assert actions_of(database, found) == ["incident.opened", "incident.restored"]


@pytest.mark.parametrize(
    "event",
    [
        going_back(reached=False),
        finished("aborted-before-traffic", reached=False),
        finished("failed", reached=False),
        finished("succeeded"),
    ],
)
def test_what_nobody_was_served_by_is_no_incident(database: Database, event: Event) -> None:
    """A rollout that never reached traffic lost no service, and a good one neither."""
    tell(database, event)
    assert all_of(database) == []


def test_a_failed_deployment_stays_open_until_the_next_one_is_healthy(database: Database) -> None:
    """Failed while it served: open, and restored by the rollback (or the fix) that serves everybody again."""
    tell(database, finished("failed"))
    assert all_of(database)[0].status == "open"
    with database.read() as uow:
        assert incidents.open_count(uow, "shop", "prod") == 1
        assert incidents.open_count(uow, "shop", "uat") == 0
        assert incidents.open_count(uow, "other") == 0
    tell(database, finished("succeeded", "dep_3", "rollback", version="1.1.0"))
    (found,) = all_of(database)
    assert (found.status, found.restored_by_deployment) == ("restored", "dep_3")


def test_what_gets_well_by_itself_restores_what_rollouts_lost(database: Database) -> None:
    """After a failed way back the old version serves again: restored by its deployment, once."""
    tell(database, finished("failed"))
    for _ in range(2):
        tell(database, ServingAgain("dep_1", "shop", "prod", "1.1.0"))
    (found,) = all_of(database)
    assert (found.status, found.restored_by_deployment) == ("restored", "dep_1")
    assert actions_of(database, found) == ["incident.opened", "incident.restored"]


def test_a_success_elsewhere_restores_nothing(database: Database) -> None:
    """Only the same service in the same environment gives service back."""
    tell(database, finished("failed"))
    tell(database, DeploymentFinished("dep_9", "shop", "uat", "1.1.0", "succeeded", "", True, "rollout"))
    tell(database, DeploymentFinished("dep_8", "cart", "prod", "1.1.0", "succeeded", "", True, "rollout"))
    assert all_of(database)[0].status == "open"


def order(version: str, environment: str, kind: str = "rollout") -> deploy.Order:
    return deploy.Order(
        service="shop", environment=environment, version=version, release_digest="sha256:" + "1" * 64,
        bundle_digest="sha256:" + "2" * 64, process=catalog.Process(command=("true",)), kind=kind,
        reason="customers cannot pay",
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("environment", ["prod", "uat"])
def test_a_person_takes_a_release_back(database: Database, environment: str) -> None:
    """A rollback from production means that what ran had lost service; elsewhere it is just work."""
    declare_platform(database)
    with database.begin() as uow:
        bad = deploy.begin(uow, ONA, order("1.2.0", environment))
        assert deploy_store.save(uow, replace(bad, state="succeeded", outcome="succeeded"))
        deploy_store.set_current(uow, "shop", environment, bad.id)
        deploy.begin(uow, ONA, order("1.1.0", environment, "rollback"))
    found = all_of(database)
    if environment == "uat":
        assert found == []
        return
    assert (found[0].deployment_id, found[0].version, found[0].status) == (bad.id, "1.2.0", "open")
    assert "ona rolls back: customers cannot pay" in found[0].summary
    tell(database, finished("succeeded", "dep_back", "rollback", version="1.1.0"))
    assert all_of(database)[0].status == "restored"


def test_a_person_names_the_cause(database: Database) -> None:
    """An incident without a cause is linked once, to a deployment of the same place, with who said so."""
    declare_platform(database)
    with database.begin() as uow:
        cause = deploy.begin(uow, SYSTEM, order("1.2.0", "prod"))
        elsewhere = deploy.begin(uow, SYSTEM, order("1.2.0", "uat"))
        found = incidents.declare(uow, ONA, "shop", "prod", "Carts are empty")
        second = incidents.declare(uow, ONA, "shop", "prod", "Carts are still empty")
        with pytest.raises(Invalid):
            incidents.link(uow, ONA, found.id, elsewhere.id, "a guess")
        with pytest.raises(NotFound):
            incidents.link(uow, ONA, found.id, "dep_none", "a guess")
        with pytest.raises(Refused):
            incidents.link(uow, VERA, found.id, cause.id, "a guess")
        linked = incidents.link(uow, ONA, found.id, cause.id, "it began with it")
        assert (linked.deployment_id, linked.version) == (cause.id, "1.2.0")
        assert incidents.link(uow, ONA, found.id, cause.id, "again") == linked
        with pytest.raises(Conflict):
            incidents.link(uow, ONA, second.id, cause.id, "both")
        actions = [line.action for line in incidents.timeline(uow, found.id)]
    assert actions == ["deployment.started", "incident.opened", "incident.linked"]


def test_gates_read_how_many_are_open(database: Database) -> None:
    """The fact `incidents.open` counts what still has impact at the place."""
    tell(database, going_back())
    with database.read() as uow:
        assert incidents.IncidentFacts().facts(uow, "shop", "prod") == {"incidents": {"open": 1}}
        assert incidents.IncidentFacts().facts(uow, "shop", "uat") == {"incidents": {"open": 0}}


def test_the_timeline_is_read_from_the_ledger(database: Database) -> None:
    """Lines of the incident and of its deployments, in the ledger's order, each opening its entry."""
    with database.begin() as uow:
        ledger.append(uow, SYSTEM, "deployment.started", "deployment:dep_2", reason="1.2.0 to prod")
        ledger.append(uow, SYSTEM, "deployment.started", "deployment:dep_other")
    tell(database, going_back())
    with database.begin() as uow:
        incidents.note(uow, ONA, incidents.incidents(uow).items[0].id, "Customers see errors.")
    with database.read() as uow:
        lines = incidents.timeline(uow, incidents.incidents(uow).items[0].id)
    assert [line.action for line in lines] == ["deployment.started", "incident.opened", "incident.noted"]
    assert lines[0].text == "Deployment started by clearway: 1.2.0 to prod"
    assert lines[2].text == "Incident noted by ona: Customers see errors."
    assert [line.index for line in lines] == sorted(line.index for line in lines)
    assert set(lines[0].to_json()) >= {"at", "text", "index"}


def test_people_take_it_up_and_close_it(database: Database, heard: list[Event]) -> None:
    """Acknowledge, note, resolve, actions: each by whom, each in the ledger."""
    tell(database, going_back())
    with database.begin() as uow:
        found = incidents.incidents(uow).items[0]
        assert incidents.acknowledge(uow, ONA, found.id).acknowledged_by == "ona"
        assert incidents.acknowledge(uow, ONA, found.id).acknowledged_by == "ona"
        with pytest.raises(Conflict):
            incidents.acknowledge(uow, Actor("admin"), found.id)
        with pytest.raises(Conflict, match="not restored"):
            incidents.resolve(uow, ONA, found.id, "A null pointer.")
    tell(database, finished("rolled-back"))
    with database.begin() as uow:
        done = incidents.resolve(uow, ONA, found.id, "A null pointer.")
        assert (done.status, done.resolution, done.resolved_by) == ("resolved", "A null pointer.", "ona")
        with pytest.raises(Conflict):
            incidents.resolve(uow, ONA, found.id, "Again.")
        action = incidents.add_action(uow, ONA, found.id, "Load test before release", "dev")
        incidents.finish_action(uow, ONA, found.id, action.id)
        incidents.finish_action(uow, ONA, found.id, action.id)
        with pytest.raises(NotFound):
            incidents.finish_action(uow, ONA, found.id, "act_none")
    (found,) = all_of(database)
    assert found.actions[0].done_by == "ona"
    assert found.to_json()["actions"][0]["done_at"]
    assert actions_of(database, found) == [
        "incident.opened", "incident.acknowledged", "incident.restored", "incident.resolved",
        "incident.action-added", "incident.action-done",
    ]  # fmt: skip
    assert isinstance(heard[-1], IncidentResolved)


def test_only_those_who_may_write(database: Database) -> None:
    """Viewers read; every verb refuses them, and nothing is recorded."""
    tell(database, going_back())
    with database.begin() as uow:
        found = incidents.incidents(uow).items[0]
        for verb in (
            lambda: incidents.acknowledge(uow, VERA, found.id),
            lambda: incidents.note(uow, VERA, found.id, "x"),
            lambda: incidents.restore(uow, VERA, found.id, "x"),
            lambda: incidents.resolve(uow, VERA, found.id, "x"),
            lambda: incidents.add_action(uow, VERA, found.id, "x", "dev"),
            lambda: incidents.finish_action(uow, VERA, found.id, "x"),
            lambda: incidents.declare(uow, VERA, "shop", "prod", "x"),
        ):
            with pytest.raises(Refused):
                verb()
    assert actions_of(database, found) == ["incident.opened"]


@pytest.mark.parametrize(("service", "environment"), [("shp", "prod"), ("shop", "prd")])
def test_nobody_declares_a_loss_of_nothing(database: Database, service: str, environment: str) -> None:
    """A mistyped place would hold no gate and be found by nobody."""
    declare_platform(database)
    with database.begin() as uow, pytest.raises(NotFound):
        incidents.declare(uow, ONA, service, environment, "dark")
    assert all_of(database) == []


def test_a_person_declares_and_restores(database: Database) -> None:
    """A loss that no deployment caused is declared, and ends when a person says so."""
    declare_platform(database)
    with database.begin() as uow:
        found = incidents.declare(uow, ONA, "shop", "prod", "The data centre is dark")
        assert found.deployment_id is None
        assert incidents.restore(uow, ONA, found.id, "Power is back").restored_by_deployment is None
        with pytest.raises(Conflict):
            incidents.restore(uow, ONA, found.id, "Power is back")
        for wrong in ("", "  ", "x" * 10_001, "a\0b"):
            with pytest.raises(Invalid):
                incidents.note(uow, ONA, found.id, wrong)
        with pytest.raises(NotFound):
            incidents.note(uow, ONA, "inc_none", "x")


@pytest.mark.parametrize("kind", ["rollout", "rollback"])
def test_a_deployment_does_not_restore_what_no_deployment_caused(
    database: Database, heard: list[Event], kind: str
) -> None:
    """ "The payment provider is down" is not over when something was deployed; the timeline suggests it."""
    declare_platform(database)
    with database.begin() as uow:
        found = incidents.declare(uow, ONA, "shop", "prod", "The payment provider is down")
    tell(database, going_back("dep_1"))
    tell(database, finished("succeeded", "dep_3", kind, version="1.3.0"))
    caused, declared = all_of(database)
    assert (caused.status, declared.id, declared.status) == ("restored", found.id, "open")
    assert actions_of(database, found) == ["incident.opened", "incident.restore-suggested"]
    assert [event.incident_id for event in heard if isinstance(event, IncidentRestored)] == [caused.id]
    with database.read() as uow:
        assert incidents.open_count(uow, "shop", "prod") == 1
        assert "1.3.0 is healthy" in incidents.timeline(uow, found.id)[-1].text


def test_pages_are_newest_first(database: Database) -> None:
    """Cursors walk all incidents once; filters narrow them."""
    for index in range(5):
        tell(database, going_back(f"dep_{index}", environment="prod" if index % 2 else "uat"))
    seen, after = [], None
    with database.read() as uow:
        while True:
            page = incidents.incidents(uow, limit=2, after=after)
            seen += [found.deployment_id for found in page.items]
            if page.next_cursor is None:
                break
            after = page.next_cursor
        assert seen == ["dep_4", "dep_3", "dep_2", "dep_1", "dep_0"]
        narrowed = incidents.incidents(uow, environment="prod", service="shop", lasting=True).items
        assert [found.deployment_id for found in narrowed] == ["dep_3", "dep_1"]
        with pytest.raises(Invalid):
            incidents.incidents(uow, limit=0)
