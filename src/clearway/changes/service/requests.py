"""The change request of a promotion: opened with it, closed with it."""

from __future__ import annotations

from dataclasses import replace

from clearway import ledger
from clearway.changes import store
from clearway.changes.model import ENDED, ChangeFacts, ChangeRequest, Status, write_request
from clearway.kernel import SYSTEM, Actor, NotFound, new_id
from clearway.storage import UnitOfWork


def open_request(uow: UnitOfWork, actor: Actor, promotion_id: str, facts: ChangeFacts) -> ChangeRequest:
    """Write the change request of a new promotion."""
    request = write_request(facts, new_id("chg"), promotion_id, uow.now())
    store.save_request(uow, request)
    ledger.append(
        uow,
        actor,
        "change.opened",
        f"promotion:{promotion_id}",
        reason=facts.reason,
        data={"change": request.id, "kind": request.kind, "risk": request.risk.level},
    )
    return request


def rewrite_request(uow: UnitOfWork, promotion_id: str, facts: ChangeFacts) -> ChangeRequest:
    """Write it anew because the plan changed; its id and its opening stay."""
    known = change_request(uow, promotion_id)
    fresh = write_request(facts, known.id, promotion_id, known.opened_at)
    store.save_request(uow, fresh)
    return fresh


def close_request(uow: UnitOfWork, promotion_id: str, status: Status, reason: str = "") -> None:
    """Say how it went. A request that was closed stays as it was."""
    known = store.request_of(uow, promotion_id)
    if known is None or known.status in ENDED or known.status == status:
        return
    ended = uow.now() if status in ENDED else None
    store.save_request(uow, replace(known, status=status, closed_at=ended))
    if ended:
        ledger.append(
            uow,
            SYSTEM,
            "change.closed",
            f"promotion:{promotion_id}",
            reason=reason,
            data={"change": known.id, "status": status},
        )


def change_request(uow: UnitOfWork, promotion_id: str) -> ChangeRequest:
    """The change request of a promotion. Raises NotFound."""
    found = store.request_of(uow, promotion_id)
    if found is None:
        raise NotFound(f"there is no change request for {promotion_id}")
    return found
