"""Signatures under plans. Who may sign is decided above; here they are kept, and made void."""

from __future__ import annotations

from collections.abc import Iterable

from clearway import ledger
from clearway.changes import store
from clearway.changes.model import Approval
from clearway.kernel import SYSTEM, Actor, Conflict, new_id
from clearway.storage import UnitOfWork


def record_approval(
    uow: UnitOfWork, actor: Actor, promotion_id: str, plan_hash: str, meaning: str, comment: str
) -> Approval:
    """Keep a signature under a plan. Raises Conflict when the actor has already signed this plan."""
    for known in approvals(uow, promotion_id):
        if known.counts and known.actor == actor.name and known.plan_hash == plan_hash:
            raise Conflict(f"{actor.name} has already approved this plan of {promotion_id}")
    approval = Approval(
        new_id("apr"), promotion_id, actor.name, actor.kind, plan_hash, meaning, comment, uow.now()
    )
    store.save_approval(uow, approval)
    ledger.append(
        uow,
        actor,
        "promotion.approved",
        f"promotion:{promotion_id}",
        reason=comment,
        digest=plan_hash,
        data={"approval": approval.id, "meaning": meaning},
    )
    return approval


def approvals(uow: UnitOfWork, promotion_id: str) -> tuple[Approval, ...]:
    """Every approval of a promotion, void ones too, oldest first."""
    return tuple(store.approvals_of(uow, [promotion_id]))


def approvals_of_many(uow: UnitOfWork, promotion_ids: Iterable[str]) -> dict[str, tuple[Approval, ...]]:
    """The approvals of many promotions, in one query."""
    found: dict[str, tuple[Approval, ...]] = dict.fromkeys(promotion_ids, ())
    for approval in store.approvals_of(uow, found):
        found[approval.promotion_id] += (approval,)
    return found


def void_approvals(
    uow: UnitOfWork, promotion_id: str, plan_hash: str | None, reason: str, *, because: object = None
) -> tuple[Approval, ...]:
    """Make void what was not signed under this plan; all, when none is named. The ledger keeps why.

    Returns what became void.
    """
    stale = tuple(
        each for each in approvals(uow, promotion_id) if each.counts and each.plan_hash != plan_hash
    )
    if stale:
        store.void(uow, [each.id for each in stale], reason, uow.now())
        ledger.append(
            uow,
            SYSTEM,
            "approval.voided",
            f"promotion:{promotion_id}",
            reason=reason,
            digest=plan_hash,
            data={
                "approvals": [[each.id, each.actor, each.plan_hash] for each in stale],
                "because": because,
            },
        )
    return stale
