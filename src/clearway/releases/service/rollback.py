"""Going back, by a person's word: planned like every promotion, free of approvals, gates and windows."""

from __future__ import annotations

from collections.abc import Iterable

from clearway import access
from clearway.kernel import Actor, Conflict, Invalid
from clearway.releases import rollouts, store
from clearway.releases.back import in_words, unread, written_since
from clearway.releases.model import OPEN, Head, Promotion, Release
from clearway.releases.service.backing import history_of, landing
from clearway.releases.service.planning import make_plan, running_release, stop_before
from clearway.releases.service.promote import open_promotion
from clearway.releases.service.read import release as find_release
from clearway.storage import UnitOfWork


def rollback(
    uow: UnitOfWork, actor: Actor, service: str, environment: str, reason: str, to: str | None = None
) -> Promotion:
    """Go back to what ran well before, or to a given version that did; with its configuration of then.

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
    history = history_of(uow, service, environment)
    target, head = _target(uow, service, environment, to, runs, history)
    _refuse_unreadable(uow, target, [runs.digest, *written_since(history, head)])
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


def _target(
    uow: UnitOfWork, service: str, environment: str, to: str | None, runs: Release, history: list[Head]
) -> tuple[Release, Head]:
    """The release to go back to, and the run of it that is restored."""
    if to is None:
        head = landing(uow, history)
        found = store.release_by(uow, digest=head.release_digest) if head else None
        if head is None or found is None:
            raise Conflict(f"{environment} has no earlier good release of {service} to go back to")
        return found, head
    target = find_release(uow, service, to)
    head = landing(uow, history, target.digest)
    if head is None and target.digest == runs.digest:
        raise Invalid(f"{service} {to} is what runs in {environment}", expected="another version")
    if head is None:
        raise Conflict(
            f"{service} {to} did not run well in {environment} before {runs.version}, which runs now, "
            "or was taken back since",
            todo="Promote it, if that is what you want; a rollback skips approvals and gates.",
        )
    return target, head


def _refuse_unreadable(uow: UnitOfWork, target: Release, since: Iterable[str]) -> None:
    writer = unread(target, store.releases_by_digest(uow, since).values())
    if writer is not None:
        raise Conflict(
            in_words(target, writer),
            expected=f"a release that reads {writer.writes}",
            todo="Go back to a nearer version, or repair forward.",
            detail={"target": target.version, "reads": sorted(target.reads), "written": writer.writes},
        )


def _refuse_twice(uow: UnitOfWork, service: str, environment: str) -> None:
    for head in store.at_place(uow, service, environment, OPEN):
        if head.kind == "rollback":
            raise Conflict(f"{head.id} is already going back", detail={"promotion": head.id})
