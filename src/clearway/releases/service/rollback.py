"""Going back, by a person's word: planned like every promotion, free of approvals, gates and windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clearway import access
from clearway.kernel import Actor, Conflict, Invalid
from clearway.releases import rollouts, store
from clearway.releases.model import OPEN, Head, Promotion, Release, rolled_back
from clearway.releases.service.planning import make_plan, running_release, stop_before
from clearway.releases.service.promote import open_promotion
from clearway.releases.service.read import release as find_release
from clearway.storage import UnitOfWork

HISTORY = 200
REACHED = ("succeeded", "rolled-back", "failed")


def rollback(
    uow: UnitOfWork, actor: Actor, service: str, environment: str, reason: str, to: str | None = None
) -> Promotion:
    """Go back to the last good release of the place, or to a given version that ran there.

    Raises Conflict when there is nothing to go back to, or when the target cannot read the data that was
    written since: then the way is forward.
    """
    access.require(uow, actor, "deployment:rollback", service=service, environment=environment)
    stop_before(uow, service, environment)
    if moving := _moving(uow, service, environment, to):
        return _turn_back(uow, actor, moving, reason)
    runs = running_release(uow, service, environment)
    if runs is None:
        raise Conflict(f"nothing of {service} runs in {environment}", todo="Look at `clearway status`.")
    history = store.at_place(uow, service, environment, REACHED, HISTORY)
    target = _target(uow, service, environment, to, runs, history)
    _refuse_unreadable(target, [runs, *_since(uow, history, target)])
    _refuse_twice(uow, service, environment)
    plan = make_plan(uow, target, environment, kind="rollback", requested_by=actor.name)
    return open_promotion(uow, actor, target, plan, reason, actor)


def _moving(uow: UnitOfWork, service: str, environment: str, to: str | None) -> Head | None:
    """The rollout that is under way; going back from it is turning it back."""
    found = store.at_place(uow, service, environment, ["deploying"])
    if not found or found[0].kind == "rollback":
        return None
    runs = running_release(uow, service, environment)
    if to is not None and (runs is None or to != runs.version):
        raise Conflict(
            f"{found[0].id} is deploying {found[0].version}; it can only be turned back to what ran before",
            todo="Turn it back first, then go further back.",
        )
    return found[0]


def _turn_back(uow: UnitOfWork, actor: Actor, head: Head, reason: str) -> Promotion:
    """Turn the rollout back; its promotion ends as rolled-back once the old release is healthy again."""
    promotion = store.promotion(uow, head.id)
    if promotion is None or promotion.deployment_id is None:
        raise Conflict(f"{head.id} has no deployment to turn back")
    rollouts.turn_back(uow, actor, promotion.deployment_id, reason)
    return promotion


def last_good(history: Sequence[Head], runs: str) -> str | None:
    """The digest of the newest release that did well, is not what runs, and was not taken back since."""
    bad = rolled_back(history)
    good = (each.release_digest for each in history if each.state == "succeeded")
    return next((digest for digest in good if digest != runs and digest not in bad), None)


def _target(
    uow: UnitOfWork, service: str, environment: str, to: str | None, runs: Release, history: Sequence[Head]
) -> Release:
    if to is not None:
        target = find_release(uow, service, to)
        if target.digest == runs.digest:
            raise Invalid(f"{service} {to} is what runs in {environment}", expected="another version")
        if not any(each.release_digest == target.digest and each.state == "succeeded" for each in history):
            raise Conflict(
                f"{service} {to} never ran well in {environment}",
                todo="Promote it, if that is what you want; a rollback skips the gates.",
            )
        return target
    digest = last_good(history, runs.digest)
    found = store.release_by(uow, digest=digest) if digest else None
    if found is None:
        raise Conflict(f"{environment} has no earlier good release of {service} to go back to")
    return found


def _since(uow: UnitOfWork, history: Sequence[Head], target: Release) -> list[Release]:
    """Every release that may have written data there since the target last took over."""
    digests: list[str] = []
    for each in history:
        if each.release_digest == target.digest and each.state == "succeeded":
            break
        digests.append(each.release_digest)
    return list(store.releases_by_digest(uow, digests).values())


def _refuse_unreadable(target: Release, since: Iterable[Release]) -> None:
    for release in since:
        if release.writes not in target.reads:
            raise Conflict(
                f"{release.version} wrote data version {release.writes}, which {target.version} cannot read",
                expected=f"a release that reads {release.writes}",
                todo="Go back to a nearer version, or repair forward.",
                detail={"target": target.version, "reads": sorted(target.reads), "written": release.writes},
            )


def _refuse_twice(uow: UnitOfWork, service: str, environment: str) -> None:
    for head in store.at_place(uow, service, environment, OPEN):
        if head.kind == "rollback":
            raise Conflict(f"{head.id} is already going back", detail={"promotion": head.id})
