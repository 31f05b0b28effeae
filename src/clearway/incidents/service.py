"""Opening by what deployments tell, and everything that people do with an incident afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from clearway import access, catalog, deploy, ledger, releases
from clearway.deploy import DeploymentFinished, DeploymentGoingBack, DeploymentStarted, ServingAgain
from clearway.kernel import SYSTEM, Actor, Conflict, Invalid, NotFound, new_id
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

from . import store
from .events import IncidentOpened, IncidentResolved, IncidentRestored
from .model import Action, Incident, TimelineEntry, check_open, check_resolvable, sentence

MOST = 200
TIMELINE = 500
LONGEST = 10_000


def incident(uow: UnitOfWork, incident_id: str) -> Incident:
    """One incident. Raises NotFound."""
    found = store.get(uow, incident_id)
    if found is None:
        raise NotFound(f"there is no incident {incident_id}")
    return found


def incidents(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    environment: str | None = None,
    lasting: bool = False,
    after: str | None = None,
    limit: int = 50,
) -> Page[Incident]:
    """Incidents, newest first; `lasting`: only those that nobody has resolved."""
    if not 1 <= limit <= MOST:
        raise Invalid(f"a page of {limit} incidents", expected=f"1 to {MOST}")
    before = None if after is None else str(decode_cursor(after))
    rows = store.newest(uow, service, environment, lasting, before, limit + 1)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return Page(rows[:limit], more)


def opened_since(
    uow: UnitOfWork, service: str | None, environment: str | None, since: datetime
) -> list[Incident]:
    """Incidents that were opened then or later, oldest first; None: of every service, or environment."""
    return store.opened_since(uow, service, environment, since)


def open_count(uow: UnitOfWork, service: str, environment: str | None = None) -> int:
    """How many incidents of a service still have impact: a fact for gates."""
    return len(store.unrestored(uow, service, environment))


def timeline(uow: UnitOfWork, incident_id: str) -> list[TimelineEntry]:
    """What happened, from the ledger: to the incident, and to the deployments and promotions around it."""
    found = incident(uow, incident_id)
    subjects = [f"incident:{found.id}"]
    related = dict.fromkeys((found.deployment_id, found.restored_by_deployment))
    for deployment in filter(None, related):
        subjects.append(f"deployment:{deployment}")
        promotion = releases.promotion_of_deployment(uow, deployment)
        subjects += [f"promotion:{promotion.id}"] if promotion else []
    found_lines = (ledger.entries(uow, subject=subject, limit=TIMELINE).items for subject in subjects)
    lines = [_line(entry) for page in found_lines for entry in page]
    return sorted(lines, key=lambda line: line.index)


def _line(entry: ledger.Entry) -> TimelineEntry:
    text = sentence(entry.action, entry.actor, entry.reason)
    return TimelineEntry(entry.index, entry.at, entry.actor, entry.action, entry.subject, text)


def declare(uow: UnitOfWork, actor: Actor, service: str, environment: str, summary: str) -> Incident:
    """A person saw a loss of service that no deployment told of. Raises Refused, NotFound, Invalid."""
    access.require(uow, actor, "incident:write", service=service, environment=environment)
    catalog.service(uow, service)
    catalog.environment(uow, environment)
    return _open(uow, actor, service, environment, _text(summary, "a summary"), None, None)


def acknowledge(uow: UnitOfWork, actor: Actor, incident_id: str, comment: str = "") -> Incident:
    """Somebody looks after it; the first one counts. Raises Refused, Conflict."""
    found = _writable(uow, actor, incident_id)
    check_open(found, "acknowledged")
    if found.acknowledged_at is not None:
        if found.acknowledged_by == actor.name:
            return found
        raise Conflict(f"{found.acknowledged_by} looks after incident {found.id} already")
    store.change(uow, found.id, acknowledged_at=uow.now(), acknowledged_by=actor.name)
    _record(uow, actor, "incident.acknowledged", found, comment)
    return incident(uow, found.id)


def note(uow: UnitOfWork, actor: Actor, incident_id: str, text: str) -> Incident:
    """Adds a line to the timeline, at any time. Raises Refused, Invalid."""
    found = _writable(uow, actor, incident_id)
    _record(uow, actor, "incident.noted", found, _text(text, "a note"))
    return found


def restore(uow: UnitOfWork, actor: Actor, incident_id: str, reason: str) -> Incident:
    """A person says that the impact has ended, where no deployment could tell. Raises Refused, Conflict."""
    found = _writable(uow, actor, incident_id)
    check_open(found, "restored")
    if found.restored_at is not None:
        raise Conflict(f"service was restored in incident {found.id} at {found.restored_at.isoformat()}")
    _restored(uow, actor, found, None, _text(reason, "a reason"))
    return incident(uow, found.id)


def resolve(uow: UnitOfWork, actor: Actor, incident_id: str, resolution: str) -> Incident:
    """People close it and say what they found. Raises Refused, Conflict while the impact lasts."""
    found = _writable(uow, actor, incident_id)
    check_resolvable(found)
    said = _text(resolution, "what was found")
    store.change(uow, found.id, resolved_at=uow.now(), resolved_by=actor.name, resolution=said)
    _record(uow, actor, "incident.resolved", found, said)
    uow.publish(IncidentResolved(found.id, found.service, found.environment))
    return incident(uow, found.id)


def link(uow: UnitOfWork, actor: Actor, incident_id: str, deployment_id: str, reason: str) -> Incident:
    """A person says which deployment caused it. Raises Refused, NotFound, Conflict when one is known."""
    found = _writable(uow, actor, incident_id)
    cause = deploy.deployment(uow, deployment_id)
    if (cause.order.service, cause.order.environment) != (found.service, found.environment):
        raise Invalid(
            f"{deployment_id} is of another place", expected=f"{found.service} in {found.environment}"
        )
    if found.deployment_id == deployment_id:
        return found
    other = store.of_deployment(uow, deployment_id)
    if found.deployment_id is not None or other is not None:
        known = f"{found.deployment_id} caused it" if found.deployment_id else f"it caused {other.id}"  # type: ignore[union-attr]
        raise Conflict(f"incident {found.id} cannot be linked to {deployment_id}: {known}")
    store.change(uow, found.id, deployment_id=deployment_id, version=cause.order.version)
    linked = incident(uow, found.id)
    _record(uow, actor, "incident.linked", linked, reason)
    return linked


def add_action(uow: UnitOfWork, actor: Actor, incident_id: str, text: str, owner: str) -> Action:
    """The review decided that something is to be done. Raises Refused, Invalid."""
    found = _writable(uow, actor, incident_id)
    action = Action(
        new_id("act"),
        found.id,
        _text(text, "what is to be done"),
        _text(owner, "an owner"),
        actor.name,
        uow.now(),
    )
    store.add_action(uow, action)
    _record(uow, actor, "incident.action-added", found, f"{action.owner}: {action.text}", item=action.id)
    return action


def finish_action(uow: UnitOfWork, actor: Actor, incident_id: str, action_id: str) -> Action:
    """It was done. Doing it twice changes nothing. Raises Refused, NotFound."""
    found = _writable(uow, actor, incident_id)
    known = {action.id: action for action in found.actions}
    if action_id not in known:
        raise NotFound(f"incident {found.id} has no action {action_id}")
    action = known[action_id]
    if action.done_at is not None:
        return action
    done = replace(action, done_at=uow.now(), done_by=actor.name)
    store.finish_action(uow, done)
    _record(uow, actor, "incident.action-done", found, action.text, item=action.id)
    return done


def on_started(uow: UnitOfWork, event: DeploymentStarted) -> None:
    """A person takes a release back from production: what they go back from had lost service."""
    begun = deploy.deployment(uow, event.deployment_id)
    if begun.order.kind != "rollback" or begun.previous_id is None:
        return
    kinds = {environment.name: environment.kind for environment in catalog.environments(uow)}
    if kinds.get(event.environment) == "production":
        left = deploy.deployment(uow, begun.previous_id).order.version
        why = f"{begun.actor or SYSTEM.name} rolls back: {begun.order.reason or 'no reason was given'}"
        _opened_by_deployment(uow, begun.previous_id, event.service, event.environment, left, why)


def on_going_back(uow: UnitOfWork, event: DeploymentGoingBack) -> None:
    """A rollout went wrong and the way back began: service was lost if anybody was served by it."""
    if event.reached_traffic:
        _opened_by_deployment(
            uow, event.deployment_id, event.service, event.environment, event.version, event.reason
        )


def on_finished(uow: UnitOfWork, event: DeploymentFinished) -> None:
    """A deployment ended: it lost service, or it gave service back."""
    if event.outcome in ("rolled-back", "failed") and event.reached_traffic:
        _opened_by_deployment(
            uow, event.deployment_id, event.service, event.environment, event.version, event.reason
        )
    if event.outcome == "rolled-back":
        own = store.of_deployment(uow, event.deployment_id)
        if own is not None and own.restored_at is None:
            _restored(
                uow, SYSTEM, own, event.deployment_id, "the version before is healthy and serves everybody"
            )
    if event.outcome == "succeeded":
        how = "rollback" if event.kind == "rollback" else "next deployment"
        why = f"the {how} to {event.version} is healthy and serves everybody"
        for lasting in store.unrestored(uow, event.service, event.environment):
            if lasting.deployment_id:
                _restored(uow, SYSTEM, lasting, event.deployment_id, why)
            else:
                _suggest_restored(uow, lasting, event.deployment_id, why)


def on_serving_again(uow: UnitOfWork, event: ServingAgain) -> None:
    """What a failed rollout took down got well; what people declared is theirs to restore."""
    for lasting in store.unrestored(uow, event.service, event.environment):
        if lasting.deployment_id:
            why = f"{event.version} is healthy again and serves everybody"
            _restored(uow, SYSTEM, lasting, event.deployment_id, why)


def _opened_by_deployment(
    uow: UnitOfWork, deployment_id: str, service: str, environment: str, version: str, reason: str
) -> None:
    if store.of_deployment(uow, deployment_id) is None:
        summary = f"{service} {version} in {environment}: {reason or 'the rollout failed'}"
        _open(uow, SYSTEM, service, environment, summary[:LONGEST], deployment_id, version)


def _open(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    environment: str,
    summary: str,
    deployment_id: str | None,
    version: str | None,
) -> Incident:
    found = Incident(
        new_id("inc"), service, environment, summary, deployment_id, version, uow.now(), actor.name
    )
    store.add(uow, found)
    _record(uow, actor, "incident.opened", found, summary)
    uow.publish(IncidentOpened(found.id, service, environment, deployment_id))
    return found


def _restored(uow: UnitOfWork, actor: Actor, found: Incident, by: str | None, reason: str) -> None:
    store.change(uow, found.id, restored_at=uow.now(), restored_by_deployment=by)
    _record(uow, actor, "incident.restored", found, reason, restored_by=by)
    uow.publish(IncidentRestored(found.id, found.service, found.environment, found.deployment_id))


def _suggest_restored(uow: UnitOfWork, found: Incident, by: str, why: str) -> None:
    """A line for the person who declared it: no deployment caused it, so none can tell that it is over."""
    reason = f"{why}; if that ended the impact, restore this incident"
    _record(uow, SYSTEM, "incident.restore-suggested", found, reason, suggested_by=by)


def _writable(uow: UnitOfWork, actor: Actor, incident_id: str) -> Incident:
    found = incident(uow, incident_id)
    access.require(uow, actor, "incident:write", service=found.service, environment=found.environment)
    return found


def _record(
    uow: UnitOfWork, actor: Actor, action: str, found: Incident, reason: str, **more: str | None
) -> None:
    data = {
        "service": found.service,
        "environment": found.environment,
        "deployment": found.deployment_id,
        "version": found.version,
        **more,
    }
    known = {key: value for key, value in data.items() if value is not None}
    ledger.append(uow, actor, action, f"incident:{found.id}", reason=reason, data=known)


def _text(text: str, what: str) -> str:
    said = text.strip()
    if not said or len(said) > LONGEST or "\0" in said:
        raise Invalid(f"{what} is missing or too long", expected=f"1 to {LONGEST} characters")
    return said
