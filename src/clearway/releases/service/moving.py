"""How a waiting promotion moves: looked at as a whole, decided by a pure function, written once.

Rules:
1. One transaction holds the look, the decision, the ledger entry and the deployment's row; the row's revision
   is compared and set, so twice is once.
2. On every look the plan is made again. Another hash voids the approvals, and the ledger says what changed.
3. Whoever wakes a promotion locks its row first, so that an event can never fall between a look and its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from clearway import access, catalog, changes, ledger, workflow
from clearway.kernel import SYSTEM, Actor
from clearway.releases import rollouts, store
from clearway.releases.events import PromotionChanged, PromotionFinished
from clearway.releases.machine import Next, View, decide
from clearway.releases.model import ENDED, MOVES, WAITING, Promotion, Release
from clearway.releases.plan import Plan, in_words, plan_diff
from clearway.releases.service.planning import (
    Prepared,
    change_facts,
    prepare,
    previous_run,
    stop_before,
)
from clearway.storage import UnitOfWork

FLOW = "releases.advance"


def advance(uow: UnitOfWork, promotion_id: str, revision: int) -> Promotion | None:
    """Look at a waiting promotion once; None when it has moved on since this look was asked for."""
    promotion = store.promotion(uow, promotion_id, lock=True)
    if promotion is None or promotion.revision != revision or promotion.state not in WAITING:
        return None
    release = store.release_by(uow, id=promotion.release_id)
    if release is None:
        raise LookupError(f"promotion {promotion_id} has lost its release")
    prepared = _prepare(uow, promotion, release, counted(uow, promotion))
    if prepared.plan.hash != promotion.plan_hash:
        promotion = _replan(uow, promotion, prepared.plan)
        if prepared.plan.approvals_needed:  # the gates were asked about approvals that are void now
            prepared = _prepare(uow, promotion, release, ())
    following = decide(view_of(uow, promotion, prepared.plan))
    return _move(uow, promotion, prepared, following)


def _prepare(
    uow: UnitOfWork, promotion: Promotion, release: Release, signed: Iterable[changes.Approval]
) -> Prepared:
    return prepare(
        uow,
        release,
        promotion.environment,
        kind=promotion.kind,
        requested_by=promotion.requested_by,
        approvers=[each.actor for each in signed],
        override_freeze=promotion.override_freeze,
    )


def view_of(uow: UnitOfWork, promotion: Promotion, plan: Plan, *, first: bool = False) -> View:
    """Everything the decision looks at."""
    place = catalog.environment(uow, promotion.environment)
    before = stop_before(uow, promotion.service, promotion.environment)
    soak_in = before if before is not None and place.soak.total_seconds() > 0 else None
    soaked_at = None
    if soak_in is not None:
        release = store.release_by(uow, id=promotion.release_id)
        ran = previous_run(uow, release, promotion.environment) if release else None
        if ran is not None and ran.since is not None:
            ready = ran.since + place.soak
            soaked_at = ready if ran.until is None or ran.until >= ready else None
    here = store.at_place(
        uow, promotion.service, promotion.environment, (*WAITING, "deploying", "succeeded"), 50
    )
    return View(
        now=uow.now(),
        kind=promotion.kind,
        first=first,
        superseded_by=next((each.version for each in here if _newer(each, promotion)), None),
        problems=plan.problems,
        gates=plan.gates,
        approvals=len(counted(uow, promotion)),
        approvals_needed=plan.approvals_needed,
        route=plan.waits,
        soak_in=soak_in,
        soaked_at=soaked_at,
        window=plan.window,
        override_freeze=promotion.override_freeze,
        busy=next((each.id for each in here if each.state == "deploying"), None),
    )


def _newer(other: Any, mine: Promotion) -> bool:
    asked_later = other.id > mine.id and other.release_id > mine.release_id
    return mine.kind == "rollout" and other.kind == "rollout" and asked_later


def counted(uow: UnitOfWork, promotion: Promotion) -> tuple[changes.Approval, ...]:
    """The standing approvals of people who may still give them: one a person, nobody's own change."""
    rule = catalog.environment(uow, promotion.environment).approvals
    groups = frozenset(rule.groups) if rule else frozenset()
    people: dict[str, changes.Approval] = {}
    for each in promotion.standing:
        if may_sign(uow, promotion, each.actor, each.actor_kind, groups):
            people.setdefault(each.actor, each)
    return tuple(people.values())


def may_sign(uow: UnitOfWork, promotion: Promotion, name: str, kind: str, groups: frozenset[str]) -> bool:
    """Whether this person's approval counts now."""
    verdict = access.may(
        uow,
        Actor(name, cast(Any, kind)),
        "promotion:approve",
        service=promotion.service,
        environment=promotion.environment,
        author_of=promotion.authors,
    )
    if not verdict.allowed:
        return False
    return not groups or bool(groups & access.standing(uow, name, promotion.environment))


def _replan(uow: UnitOfWork, promotion: Promotion, plan: Plan) -> Promotion:
    difference = plan_diff(promotion.plan["content"], plan.content.to_json())
    why = in_words(difference)
    subject = f"promotion:{promotion.id}"
    ledger.append(
        uow,
        SYSTEM,
        "promotion.replanned",
        subject,
        reason=why,
        digest=plan.hash,
        data={"before": promotion.plan_hash, "changed": [_short(each) for each in difference[:50]]},
    )
    changes.void_approvals(
        uow, promotion.id, plan.hash, why, because=[each["path"] for each in difference[:50]]
    )
    production = catalog.environment(uow, promotion.environment).kind == "production"
    facts = change_facts(plan, promotion.reason, promotion.requested_by, production)
    changes.rewrite_request(uow, promotion.id, facts)
    return replace(
        promotion,
        plan=plan.to_json(),
        plan_hash=plan.hash,
        replaces_digest=plan.content.replaces_digest,
        approvals=changes.approvals(uow, promotion.id),
    )


def _short(line: dict[str, Any]) -> dict[str, str]:
    """A line of the difference, small enough for the ledger."""
    return {key: str(value)[:200] for key, value in line.items()}


def _move(uow: UnitOfWork, promotion: Promotion, prepared: Prepared, following: Next) -> Promotion | None:
    plan = prepared.plan
    moved = replace(
        promotion,
        state=following.state,
        why=following.why,
        wake_at=following.wake_at,
        plan=plan.to_json(),
        gates=plan.gates.to_json(),
    )
    if following.state == "deploying":
        deployment = rollouts.begin(uow, promotion.requester, prepared.order, promotion.reason)
        changes.close_request(uow, promotion.id, "approved")
        moved = replace(moved, deployment_id=deployment, started_at=uow.now())
    elif following.state in ENDED:
        moved = replace(moved, finished_at=uow.now())
        changes.close_request(uow, promotion.id, "cancelled", following.why)
    saved = write(uow, promotion, moved)
    if saved is not None and saved.state in WAITING:
        wake_later(uow, saved, following.wake_at)
    return saved


def write(uow: UnitOfWork, before: Promotion, after: Promotion) -> Promotion | None:
    """Write the next revision, with its ledger entry and event when the state changed."""
    if after.state != before.state and after.state not in MOVES[before.state]:
        raise ValueError(f"{before.id} cannot become {after.state} from {before.state}")
    if not store.save_promotion(uow, after):
        return None
    workflow.cancel(uow, f"{before.id}/{before.revision}")
    saved = replace(after, revision=after.revision + 1)
    if saved.state != before.state:
        ledger.append(
            uow,
            SYSTEM,
            f"promotion.{saved.state}",
            f"promotion:{saved.id}",
            reason=saved.why,
            digest=saved.plan_hash,
            data=_entry(saved),
        )
        announce(uow, saved)
    return saved


def _entry(promotion: Promotion) -> dict[str, Any]:
    return {
        "service": promotion.service,
        "environment": promotion.environment,
        "version": promotion.version,
        "release": promotion.release_digest,
        "kind": promotion.kind,
        "deployment": promotion.deployment_id,
        "approved_by": sorted({each.actor for each in promotion.standing}),
    }


def announce(uow: UnitOfWork, promotion: Promotion) -> None:
    """Tell the rooms above."""
    where = (promotion.id, promotion.service, promotion.environment, promotion.version)
    uow.publish(PromotionChanged(*where, promotion.state, promotion.kind, promotion.why))
    if promotion.state in ENDED:
        uow.publish(PromotionFinished(*where, promotion.state, promotion.kind, promotion.deployment_id))


def nudge(uow: UnitOfWork, promotion: Promotion) -> None:
    """Have the promotion looked at now; the row must have been read under its lock (rule 3)."""
    if promotion.state not in WAITING:
        return
    store.set_wake(uow, [promotion.id], uow.now())
    workflow.start(uow, FLOW, f"{promotion.id}/{promotion.revision}", _args(promotion))


def wake_later(uow: UnitOfWork, promotion: Promotion, at: datetime | None) -> None:
    """Have the promotion looked at at this moment; None: only an event wakes it."""
    if at is None:
        return
    store.set_wake(uow, [promotion.id], at)
    workflow.start(uow, FLOW, f"{promotion.id}/{promotion.revision}", _args(promotion), at=at)


def _args(promotion: Promotion) -> dict[str, Any]:
    return {"promotion_id": promotion.id, "revision": promotion.revision}
