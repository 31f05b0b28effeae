"""Counting what ended, and answering with figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from clearway import access, catalog, incidents, ledger, workflow
from clearway.deploy import DeploymentFinished
from clearway.kernel import Actor, ClearwayError, Invalid, NotFound
from clearway.storage import Database, UnitOfWork

from . import figures, store
from .model import INTENTS, Change, Deployed, Facts, Failure, Intent, Outcome, Report, Settings, Window
from .ports import History

LONGEST_DAYS = 3700
NOTHING = Facts([])


def on_finished(uow: UnitOfWork, event: DeploymentFinished) -> None:
    """Keep that a deployment ended. Its commits are counted by a flow, which can fail without harm to it."""
    outcome: Outcome = "failed-in-prod" if event.outcome == "failed" else event.outcome
    if event.outcome == "failed" and not event.reached_traffic:
        outcome = "aborted-before-traffic"
    if event.outcome == "rolled-back" and not event.reached_traffic:
        outcome = "aborted-before-traffic"
    intent: Intent = "rollback" if event.kind == "rollback" else "planned"
    place = (event.service, event.environment, event.version)
    deployed = Deployed(event.deployment_id, *place, outcome, intent, uow.now())
    brings_changes = outcome == "succeeded" and intent != "rollback"
    if store.add(uow, deployed, counted=not brings_changes) and brings_changes:
        workflow.start(uow, "metrics.count", f"metrics.count/{deployed.id}", {"deployment_id": deployed.id})


def count_changes(database: Database, deployment_id: str) -> None:
    """Find and keep the commits that first reached production with a deployment. Twice is once."""
    with database.read() as uow:
        found = store.row(uow, deployment_id)
        if found is None or found.counted:
            return
        commit, first, arrived, left_out = _arrived(uow, found)
    with database.begin() as uow:
        again = store.row(uow, deployment_id)
        if again is not None and not again.counted:
            store.keep_changes(uow, again, commit, first, arrived, left_out)


def declare_intent(uow: UnitOfWork, actor: Actor, deployment_id: str, intent: str, reason: str) -> None:
    """Say what a deployment was for; later edits are in the ledger. Raises Refused, Invalid, NotFound."""
    found = store.row(uow, deployment_id)
    if found is None:
        raise NotFound(f"no deployment {deployment_id} has ended")
    access.require(uow, actor, "incident:write", service=found.service, environment=found.environment)
    if intent not in INTENTS:
        raise Invalid(f"{intent!r} is no intent", expected=", ".join(INTENTS))
    if found.intent == intent and found.declared_by is not None:
        return  # the same word as the default is a declaration too, when somebody says it
    store.set_intent(uow, deployment_id, intent, actor.name)
    data = {
        "service": found.service,
        "environment": found.environment,
        "before": found.intent,
        "after": intent,
    }
    ledger.append(
        uow, actor, "deployment.intent-declared", f"deployment:{deployment_id}", reason=reason, data=data
    )


def dora(
    uow: UnitOfWork,
    service: str,
    environment: str | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    zone: str = "UTC",
    settings: Settings | None = None,
) -> Report:
    """The five figures of one service in one environment (the production one when none is named).

    The window is the last 30 days when none is given. Raises Invalid, NotFound.
    """
    spans = [(start, end)]
    return dora_spans(uow, service, environment, spans=spans, zone=zone, settings=settings)[0]


def dora_spans(
    uow: UnitOfWork,
    service: str,
    environment: str | None = None,
    *,
    spans: Sequence[tuple[datetime | None, datetime | None]],
    zone: str = "UTC",
    settings: Settings | None = None,
) -> list[Report]:
    """`dora` for several windows (start, end), from rows that are read once."""
    windows = [make_window(uow.now(), start, end, zone) for start, end in spans]
    place = (service, environment or production(uow, service))
    _be_known(uow, *place)
    known = _facts(uow, windows, place).get(place, NOTHING)
    return [figures.report(*place, known, window, settings or Settings()) for window in windows]


def dora_all(
    uow: UnitOfWork,
    environment: str | None = None,
    *,
    start: datetime | None = None,
    zone: str = "UTC",
    settings: Settings | None = None,
) -> list[Report]:
    """One report for each service in an environment, or in every production one; never blended.

    From rows that are read once. Raises Invalid, NotFound.
    """
    window = make_window(uow.now(), start, None, zone)
    if environment is not None:
        _be_known(uow, None, environment)
    known = _facts(uow, [window])
    chosen = settings or Settings()
    places = counted_places(uow, environment)
    return [figures.report(*place, known.get(place, NOTHING), window, chosen) for place in places]


def counted_places(uow: UnitOfWork, environment: str | None = None) -> list[tuple[str, str]]:
    """Every service and production environment, or the named one, that something was ever deployed to."""
    kinds = {each.name: each.kind for each in catalog.environments(uow)}
    return [
        place
        for place in store.places(uow)
        if (place[1] == environment if environment else kinds.get(place[1]) == "production")
    ]


def _be_known(uow: UnitOfWork, service: str | None, environment: str) -> None:
    """Refuse a misspelt name rather than answer that nothing happened; what was removed keeps its past."""
    places = store.places(uow)
    if service is not None and service not in {name for name, _ in places}:
        catalog.service(uow, service)
    if environment not in {name for _, name in places}:
        catalog.environment(uow, environment)


def make_window(now: datetime, start: datetime | None, end: datetime | None, zone: str) -> Window:
    """The window that was asked for. Raises Invalid."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"{zone[:60]!r} is no time zone", expected="an IANA name such as Europe/Berlin"
        ) from None
    window = figures.default_window(now, zone=zone)
    window = Window(start or window.start, end or window.end, zone)
    if not window.start < window.end <= window.start + timedelta(days=LONGEST_DAYS):
        raise Invalid(
            "the window ends before it starts, or is too long", expected=f"1 to {LONGEST_DAYS} days"
        )
    return window


def production(uow: UnitOfWork, service: str) -> str:
    """The last production environment on the service's route. Raises NotFound."""
    kinds = {environment.name: environment.kind for environment in catalog.environments(uow)}
    stops = [name for name in catalog.route_of(uow, service).environments if kinds.get(name) == "production"]
    if not stops:
        raise NotFound(f"no production environment is on the route of {service}")
    return stops[-1]


def _facts(
    uow: UnitOfWork, windows: Sequence[Window], place: store.Place | None = None
) -> dict[store.Place, Facts]:
    """What the figures of all these windows are computed from, by place; one read for each kind of row."""
    start, end = min(each.start for each in windows), max(each.end for each in windows)
    since = min(start, *(figures.reach(each) for each in windows))
    by_place: dict[store.Place, list[sa.Row[Any]]] = {}
    for row in store.since(uow, since, place):
        by_place.setdefault((row.service, row.environment), []).append(row)
    arrived: dict[str, list[Change]] = {}
    for change in store.changes_since(uow, start, place):
        arrived.setdefault(change.deployment_id, []).append(change)
    failures: dict[store.Place, list[Failure]] = {}
    service, environment = place or (None, None)
    for found in incidents.opened_since(uow, service, environment, since):
        failures.setdefault((found.service, found.environment), []).append(
            Failure(
                found.id,
                found.deployment_id,
                found.opened_at,
                found.restored_at,
                found.restored_by_deployment,
            )
        )
    return {
        where: _facts_of(
            uow,
            by_place.get(where, []),
            [row for row in by_place.get(where, []) if start <= row.finished_at < end],
            arrived,
            failures.get(where, []),
        )
        for where in {*by_place, *failures}
    }


def _facts_of(
    uow: UnitOfWork,
    rows: Sequence[sa.Row[Any]],
    inside: Sequence[sa.Row[Any]],
    arrived: Mapping[str, list[Change]],
    failures: Sequence[Failure],
) -> Facts:
    brought = [row for row in inside if row.outcome == "succeeded" and row.intent != "rollback"]
    changes = [change for row in brought if row.counted for change in arrived.get(row.id, ())]
    changes.sort(key=lambda change: change.sha)
    first = {row.id for row in brought if row.first}
    unknown = {row.id for row in brought if row.counted and row.commit is None}
    left_out = {row.id: row.left_out for row in brought if row.counted}
    for row in brought:
        if row.counted:
            continue
        try:  # its flow has not run yet; the figure is the same, only not kept
            commit, is_first, new, left_out[row.id] = _arrived(uow, row)
        except (ClearwayError, OSError):
            commit, is_first, new = None, False, []
        changes += new
        first |= {row.id} if is_first else set()
        unknown |= {row.id} if commit is None else set()
    deployed = [store.deployed(row) for row in rows]
    return Facts(deployed, changes, frozenset(first), frozenset(unknown - first), failures, left_out)


def _arrived(uow: UnitOfWork, row: sa.Row[Any]) -> tuple[str | None, bool, list[Change], Mapping[str, int]]:
    """The deployment's commit, whether it was the first here, the changes that arrived, what is none."""
    history = uow.tool(History)
    commit = history.commit_of(uow, row.service, row.version)
    before = store.versions_before(uow, row)
    if commit is None or not before:
        return commit, not before, [], {}
    known = (history.commit_of(uow, row.service, version) for version in before)
    exclude: Sequence[str] = sorted({sha for sha in known if sha is not None})
    found = history.arrived(uow, row.service, exclude, commit)
    new = [Change(sha, row.id, at, merged, how) for sha, at, merged, how in found.changes]
    return commit, False, new, found.left_out
