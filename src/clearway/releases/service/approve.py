"""People's words about a promotion: approve, reject, cancel."""

from __future__ import annotations

from dataclasses import replace

from clearway import access, catalog, changes, ledger, workflow
from clearway.kernel import Actor, Conflict, NotFound, Refused
from clearway.releases import store
from clearway.releases.model import WAITING, Promotion, State
from clearway.releases.service.moving import announce, nudge
from clearway.storage import UnitOfWork

ATTEST = "releases.attest"


def approve(
    uow: UnitOfWork, actor: Actor, promotion_id: str, plan_hash: str, meaning: str = "", comment: str = ""
) -> Promotion:
    """Sign the plan that was read. Raises Conflict when it is not the present plan, Refused to authors.

    The plan is made again before anything moves; had it changed in the meantime, the signature becomes void.
    """
    promotion = _waiting(uow, promotion_id)
    access.require(
        uow,
        actor,
        "promotion:approve",
        service=promotion.service,
        environment=promotion.environment,
        author_of=promotion.authors,
    )
    _require_group(uow, actor, promotion)
    if plan_hash != promotion.plan_hash:
        raise Conflict(
            f"this is not the present plan of {promotion_id}",
            expected=promotion.plan_hash,
            todo="Read the plan again; it changed.",
            detail={"plan_hash": promotion.plan_hash},
        )
    approval = changes.record_approval(
        uow, actor, promotion_id, plan_hash, meaning or "reviewed and approved", comment
    )
    workflow.start(
        uow, ATTEST, f"attest/{approval.id}", {"promotion_id": promotion_id, "approval_id": approval.id}
    )
    nudge(uow, promotion)
    return _read(uow, promotion_id)


def reject(uow: UnitOfWork, actor: Actor, promotion_id: str, comment: str = "") -> Promotion:
    """Say no for good; a rejected promotion is asked for anew."""
    promotion = _waiting(uow, promotion_id)
    _require(uow, actor, promotion, "promotion:reject")
    return _end(uow, actor, promotion, "rejected", comment or f"rejected by {actor.name}")


def cancel(uow: UnitOfWork, actor: Actor, promotion_id: str, reason: str = "") -> Promotion:
    """Take the request back; whoever may ask for the like here may do so."""
    promotion = _waiting(uow, promotion_id)
    _require(uow, actor, promotion, "promotion:create")
    return _end(uow, actor, promotion, "cancelled", reason or f"cancelled by {actor.name}")


def _require(uow: UnitOfWork, actor: Actor, promotion: Promotion, action: str) -> None:
    """A rollback is on-call's: whoever may only ask for rollouts, or judge them, does not stop one."""
    asked = action if promotion.kind == "rollout" else "deployment:rollback"
    access.require(uow, actor, asked, service=promotion.service, environment=promotion.environment)


def _require_group(uow: UnitOfWork, actor: Actor, promotion: Promotion) -> None:
    rule = catalog.environment(uow, promotion.environment).approvals
    held = access.standing(uow, actor.name, promotion.environment)
    if rule and rule.groups and not set(rule.groups) & held:
        raise Refused(
            f"{actor.name} is in none of the groups, and holds none of the roles, "
            f"that approve in {promotion.environment}",
            expected=", ".join(rule.groups),
            todo="Ask somebody of these groups.",
        )


def _waiting(uow: UnitOfWork, promotion_id: str) -> Promotion:
    promotion = store.promotion(uow, promotion_id, lock=True)
    if promotion is None:
        raise NotFound(f"there is no promotion {promotion_id}")
    if promotion.state not in WAITING:
        raise Conflict(
            f"{promotion_id} is {promotion.state}: {promotion.why}",
            expected="a promotion that waits",
            detail={"state": promotion.state},
        )
    return promotion


def _end(uow: UnitOfWork, actor: Actor, promotion: Promotion, state: State, why: str) -> Promotion:
    ended = replace(promotion, state=state, why=why, finished_at=uow.now(), wake_at=None)
    if not store.save_promotion(uow, ended):
        raise Conflict(f"{promotion.id} moved on in this moment", todo="Look at it again.")
    workflow.cancel(uow, f"{promotion.id}/{promotion.revision}")
    subject = f"promotion:{promotion.id}"
    ledger.append(uow, actor, f"promotion.{state}", subject, reason=why, digest=promotion.plan_hash)
    changes.close_request(uow, promotion.id, "rejected" if state == "rejected" else "cancelled", why)
    saved = _read(uow, promotion.id)
    announce(uow, saved)
    return saved


def _read(uow: UnitOfWork, promotion_id: str) -> Promotion:
    found = store.promotion(uow, promotion_id)
    if found is None:
        raise NotFound(f"there is no promotion {promotion_id}")
    return found
