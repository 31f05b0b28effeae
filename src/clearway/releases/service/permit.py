"""May a deployment that runs take its next step? Asked by deploy before each one; a doubt is a no."""

from __future__ import annotations

from clearway import catalog, deploy
from clearway.kernel import ClearwayError
from clearway.releases import store
from clearway.releases.model import Permission, Promotion
from clearway.releases.service.moving import counted
from clearway.releases.service.planning import ask_gates, calendar_answer
from clearway.storage import UnitOfWork


def permit(uow: UnitOfWork, deployment_id: str) -> Permission:
    """Whether the deployment may go on: its calendar is open, its gates say yes, its approvals stand.

    A rollback may always go on. Whatever cannot be found out holds the deployment where it is.
    """
    promotion = store.promotion_of_deployment(uow, deployment_id)
    if promotion is None:
        return Permission(False, f"no promotion ordered {deployment_id}")
    if promotion.kind == "rollback":
        return Permission(True)
    if promotion.state != "deploying":
        return Permission(False, f"{promotion.id} is {promotion.state}")
    try:
        return _permit(uow, promotion)
    except (ClearwayError, LookupError) as error:
        return Permission(False, f"it cannot be found out whether it may go on: {error}")


class DeployPermit:
    """What wiring binds for deploy's port Permit."""

    def check(self, uow: UnitOfWork, deployment: deploy.Deployment) -> str | None:
        """None: go. Else why it must wait."""
        answer = permit(uow, deployment.id)
        return None if answer.go else answer.reason


def _permit(uow: UnitOfWork, promotion: Promotion) -> Permission:
    place = catalog.environment(uow, promotion.environment)
    window = calendar_answer(uow, promotion.service, place)
    if not window.open and not promotion.override_freeze:
        return Permission(False, "; ".join(window.reasons))
    signed = counted(uow, promotion)
    needed = place.approvals.count if place.approvals else 0
    if len(signed) < needed:
        return Permission(False, f"{len(signed)} of {needed} approvals stand")
    release = store.release_by(uow, id=promotion.release_id)
    if release is None:
        return Permission(False, f"{promotion.id} has lost its release")
    names = [each.actor for each in signed]
    gates = ask_gates(
        uow, release, place, requested_by=promotion.requested_by, approvers=names, window=window
    )
    if gates.refusals:
        return Permission(False, "; ".join(f"gate {each.gate}: {each.reason}" for each in gates.refusals))
    return Permission(True)
