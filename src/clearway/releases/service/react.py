"""What the rooms below tell: a promotion ends, the next one begins, waiting ones look again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import cast

from clearway import catalog, changes, workflow
from clearway.access import PeopleChanged
from clearway.build import BuildFinished
from clearway.catalog import CatalogChanged
from clearway.changes import Status
from clearway.config import ConfigChanged
from clearway.deploy import DeploymentFinished
from clearway.kernel import SYSTEM, Conflict, Diff
from clearway.releases import store
from clearway.releases.model import OPEN, WAITING, Promotion, State
from clearway.releases.service.cutting import on_cut_built
from clearway.releases.service.moving import nudge, wake_later, write
from clearway.releases.service.planning import make_plan, stop_after
from clearway.releases.service.promote import open_promotion
from clearway.releases.service.waking import wake
from clearway.storage import UnitOfWork

FOLLOW = "releases.follow"
OVERDUE_S = 60
SWEEP_BATCH = 200
LONGEST_WHY = 500
MOST_SCOPES = 50  # beyond that everything is looked at

_STATES = {"succeeded": "succeeded", "rolled-back": "rolled-back"}
_CLOSINGS: dict[str, Status] = {"succeeded": "implemented", "rolled-back": "backed-out"}


def on_deployment_finished(uow: UnitOfWork, happened: DeploymentFinished) -> None:
    """The promotion ends as its deployment did, and whoever waited for that looks again."""
    promotion = store.promotion_of_deployment(uow, happened.deployment_id)
    if promotion is None or promotion.state != "deploying":
        return
    state = cast(State, _STATES.get(happened.outcome, "failed"))
    why = _in_words(happened)
    ended = write(
        uow, promotion, replace(promotion, state=state, why=why, finished_at=uow.now(), wake_at=None)
    )
    if ended is None:
        raise Conflict(f"{promotion.id} changed while its deployment finished")
    store.settle(uow, ended, runs=state == "succeeded")
    changes.close_request(uow, ended.id, _CLOSINGS.get(state, "failed"), why)
    here = {"service": ended.service, "environment": ended.environment}
    following = stop_after(uow, ended.service, ended.environment)
    if state != "succeeded" or following is None:
        wake(uow, here)
    else:
        wake(uow, here, {"service": ended.service, "environment": following})
        if ended.kind == "rollout" and catalog.environment(uow, following).promotion == "automatic":
            workflow.start(uow, FOLLOW, f"follow/{ended.id}", {"promotion_id": ended.id})


def _in_words(happened: DeploymentFinished) -> str:
    """How the deployment ended, with its own reason when that is bad: people look here first."""
    if happened.outcome == "succeeded":
        return "it runs"
    what = {
        "rolled-back": "the deployment went back by itself",
        "aborted-before-traffic": "the deployment ended before any traffic reached it",
    }.get(happened.outcome, "the deployment failed")
    return f"{what}: {happened.reason}"[:LONGEST_WHY] if happened.reason else what


_DID_WELL = "did well in "


def follow(uow: UnitOfWork, promotion_id: str) -> Promotion | None:
    """Promote a release that did well to the next environment; None when there is nothing to do any more."""
    done = store.promotion(uow, promotion_id)
    if done is None or done.state != "succeeded":
        return None
    environment = stop_after(uow, done.service, done.environment)
    release = store.release_by(uow, id=done.release_id)
    if environment is None or release is None:
        return None
    here = store.at_place(uow, done.service, environment, (*OPEN, "succeeded"))
    if any(each.release_id == release.id and (each.state in OPEN or each.id > done.id) for each in here):
        return None  # somebody was faster, or this is the second time
    plan = make_plan(uow, release, environment, requested_by=done.requested_by)
    return open_promotion(uow, SYSTEM, release, plan, _onward(done), done.requester)


def _onward(done: Promotion) -> str:
    """Why it goes on: the last stop, and the reason that began the journey."""
    first = done.reason.partition(": ")[2] if done.reason.startswith(_DID_WELL) else done.reason
    return f"{_DID_WELL}{done.environment}: {first}"


def on_build_finished(uow: UnitOfWork, happened: BuildFinished) -> None:
    """A build brings commits and evidence: the service's waiting promotions look again."""
    on_cut_built(uow, happened)
    wake(uow, {"service": happened.service})


def on_config_changed(uow: UnitOfWork, happened: ConfigChanged) -> None:
    """Plans that read the layer are stale: they are made again before anybody signs them."""
    reconsider(uow, service=happened.service, environment=happened.environment)


def on_people_changed(uow: UnitOfWork, happened: PeopleChanged) -> None:
    """An approval may count now, or not any more."""
    wake(uow, {"state": "waiting-approval"})


def on_catalog_changed(uow: UnitOfWork, happened: CatalogChanged) -> None:
    """Whoever waits under a rule that changed, or in a plan that names what changed, looks again."""
    scopes: dict[str, dict[str, str]] = {}
    for diff in happened.diffs:
        for scope in _reach(uow, diff):
            scopes[str(scope)] = scope
    wake(uow, *(scopes.values() if len(scopes) <= MOST_SCOPES else ({},)))


def _reach(uow: UnitOfWork, diff: Diff) -> Iterator[dict[str, str]]:
    """The waiting promotions whose plans an object of the catalog is in."""
    match diff.kind:
        case "Environment":
            yield {"environment": diff.name}
        case "Gate":
            places = catalog.environments(uow)
            yield from (
                {"environment": place.name}
                for place in places
                if any(gate.name == diff.name for gate in place.gates)
            )
        case "Route":
            yield from ({"service": each.name} for each in catalog.services(uow) if each.route == diff.name)
        case "Service":  # a plan names who depends on it, near and far
            needs = {each.name: each.depends_on for each in catalog.services(uow)}
            reached, waiting = set[str](), {diff.name}
            for spec in (diff.before, diff.after):
                waiting |= set((spec or {}).get("depends_on", ()))
            while waiting:
                reached |= waiting
                waiting = {name for one in waiting for name in needs.get(one, ())} - reached
            yield from ({"service": name} for name in sorted(reached))


def reconsider(uow: UnitOfWork, *, service: str | None = None, environment: str | None = None) -> int:
    """Have waiting promotions look again, because something that they wait for has changed."""
    return wake(uow, {"service": service, "environment": environment})


def hold(uow: UnitOfWork, promotion_id: str, revision: int, why: str) -> None:
    """A look failed: say so where people see it, and look again in a minute. What it waits for stays."""
    promotion = store.promotion(uow, promotion_id, lock=True)
    if promotion is None or promotion.revision != revision or promotion.state not in WAITING:
        return
    again = uow.now() + timedelta(seconds=OVERDUE_S)
    held = write(uow, promotion, replace(promotion, why=why[:LONGEST_WHY], wake_at=again))
    if held is not None:
        wake_later(uow, held, again)


def sweep(uow: UnitOfWork) -> int:
    """Promotions that wanted to be looked at a minute ago and were not: a lost flow is started anew."""
    late = store.overdue_ids(uow, uow.now() - timedelta(seconds=OVERDUE_S), SWEEP_BATCH)
    for promotion_id in late:
        promotion = store.promotion(uow, promotion_id, lock=True)
        if promotion is None or promotion.state not in WAITING:
            continue
        # The flow of this revision was used up, so the next one needs a key of its own.
        fresh = write(uow, promotion, replace(promotion, wake_at=uow.now()))
        if fresh is not None:
            nudge(uow, fresh)
    return len(late)
