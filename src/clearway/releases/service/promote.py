"""Asking for a promotion: the plan is made, the gates answer, and it is saved, also when it is a no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from clearway import access, catalog, changes, ledger
from clearway.kernel import Actor, Conflict, new_id
from clearway.releases import store
from clearway.releases.machine import decide
from clearway.releases.model import OPEN, WAITING, Kind, Promotion, Release
from clearway.releases.plan import Plan
from clearway.releases.service.moving import announce, nudge, view_of, wake_later
from clearway.releases.service.planning import change_facts, make_plan, stop_before
from clearway.releases.service.read import release as find_release
from clearway.releases.service.waking import wake
from clearway.storage import UnitOfWork


def promote(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    version: str,
    environment: str,
    reason: str,
    *,
    override_freeze: bool = False,
) -> Promotion:
    """Ask for a release to go to an environment. A no is a saved promotion in the state "refused".

    Overriding a freeze needs a permission of its own, and makes the change request an emergency.
    Raises Conflict when the same release is already on its way there.
    """
    release, plan = _ask(uow, actor, service, version, environment, override_freeze)
    for head in store.at_place(uow, service, environment, OPEN):
        if head.release_id == release.id and head.kind == "rollout":
            raise Conflict(
                f"{service} {version} is already on its way to {environment}: {head.id} is {head.state}",
                detail={"promotion": head.id},
            )
    return open_promotion(uow, actor, release, plan, reason, actor)


def dry_run(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    version: str,
    environment: str,
    *,
    override_freeze: bool = False,
) -> Plan:
    """The plan that `promote` would make, with each gate's answer; nothing is written."""
    return _ask(uow, actor, service, version, environment, override_freeze)[1]


def _ask(
    uow: UnitOfWork, actor: Actor, service: str, version: str, environment: str, override_freeze: bool
) -> tuple[Release, Plan]:
    access.require(uow, actor, "promotion:create", service=service, environment=environment)
    if override_freeze:
        access.require(uow, actor, "freeze:override", service=service, environment=environment)
    release = find_release(uow, service, version)
    stop_before(uow, service, environment)  # it must be on the route
    plan = make_plan(uow, release, environment, requested_by=actor.name, override_freeze=override_freeze)
    return release, plan


def open_promotion(
    uow: UnitOfWork, actor: Actor, release: Release, plan: Plan, reason: str, requester: Actor
) -> Promotion:
    """Save a promotion with its plan, its change request and its ledger entry, and start it."""
    promotion = _new(uow, release, plan, reason, requester)
    following = decide(view_of(uow, promotion, plan, first=True))
    refused = following.state == "refused"
    promotion = _in_state(uow, promotion, following.state, following.why)
    store.add_promotion(uow, promotion)
    ledger.append(
        uow,
        actor,
        "promotion.requested",
        f"promotion:{promotion.id}",
        reason=reason,
        digest=plan.hash,
        data={
            "service": release.service,
            "version": release.version,
            "environment": promotion.environment,
            "release": release.digest,
            "kind": promotion.kind,
            "requested_by": requester.name,
            "gates": [[each.gate, each.answer] for each in plan.gates.verdicts],
        },
    )
    production = catalog.environment(uow, promotion.environment).kind == "production"
    facts = change_facts(plan, reason, requester.name, production)
    changes.open_request(uow, actor, promotion.id, facts)
    announce(uow, promotion)
    if refused:
        ledger.append(
            uow,
            actor,
            "promotion.refused",
            f"promotion:{promotion.id}",
            reason=following.why,
            digest=plan.hash,
        )
        changes.close_request(uow, promotion.id, "rejected", following.why)
    elif following.state == "deploying":
        nudge(uow, promotion)
    else:
        wake_later(uow, promotion, following.wake_at)
    _wake_the_older(uow, promotion)
    return promotion


def _new(uow: UnitOfWork, release: Release, plan: Plan, reason: str, requester: Actor) -> Promotion:
    kind: Kind = plan.content.kind
    return Promotion(
        id=new_id("prm"),
        release_id=release.id,
        release_digest=release.digest,
        service=release.service,
        version=release.version,
        environment=plan.content.environment,
        state="held",
        why="",
        kind=kind,
        plan=plan.to_json(),
        plan_hash=plan.hash,
        requested_by=requester.name,
        requested_kind=requester.kind,
        reason=reason,
        override_freeze=plan.content.override_freeze,
        created_at=uow.now(),
        gates=plan.gates.to_json(),
        replaces_digest=plan.content.replaces_digest,
    )


def _in_state(uow: UnitOfWork, promotion: Promotion, state: str, why: str) -> Promotion:
    if state == "deploying":  # the flow begins it, so that whoever asks is never kept waiting by the world
        return replace(promotion, state="held", why="it begins now")
    ended = uow.now() if state == "refused" else None
    return replace(promotion, state=cast(Any, state), why=why, finished_at=ended)


def _wake_the_older(uow: UnitOfWork, promotion: Promotion) -> None:
    """A newer release supersedes older ones that wait for the same place."""
    if promotion.state == "refused":
        return
    waiting = store.at_place(uow, promotion.service, promotion.environment, WAITING)
    older = [head.id for head in waiting if head.release_id < promotion.release_id and head.kind == "rollout"]
    if older:
        wake(uow, {"ids": older})
