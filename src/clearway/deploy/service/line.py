"""Stopping the line, starting it again, and turning one rollout back."""

from __future__ import annotations

from dataclasses import replace

from clearway import access, catalog, ledger
from clearway.deploy import acts, store
from clearway.deploy.model import ACTIVE, Deployment
from clearway.kernel import Actor, Conflict, Invalid
from clearway.storage import UnitOfWork


def halt(uow: UnitOfWork, actor: Actor, reason: str, environment: str | None = None) -> list[Deployment]:
    """Hold every rollout, everywhere or in one environment, before its next step; returns those held."""
    if not reason.strip():
        raise Invalid("stopping the line needs a reason", expected="a sentence others can read")
    access.require(uow, actor, "deployment:rollback", environment=environment)
    return _mark(uow, actor, f"stopped by {actor.name}: {reason}", "halted", environment)


def resume(uow: UnitOfWork, actor: Actor, reason: str, environment: str | None = None) -> list[Deployment]:
    """Let held rollouts go on; returns them."""
    if not reason.strip():
        raise Invalid("starting the line again needs a reason", expected="a sentence others can read")
    access.require(uow, actor, "deployment:rollback", environment=environment)
    return _mark(uow, actor, "", "resumed", environment, reason)


def _mark(
    uow: UnitOfWork, actor: Actor, text: str, action: str, environment: str | None, reason: str = ""
) -> list[Deployment]:
    marked = []
    for moving in sorted(
        each.id for each in store.find(uow, environment=environment, states=ACTIVE, limit=1000)
    ):
        # Read again under its lock: a tick that commits between would undo what is recorded here.
        each = store.load(uow, moving, lock=True)
        if not each.active or bool(each.halted) == bool(text):
            continue
        if acts.commit(uow, replace(each, halted=text)) is None:
            raise _overtaken(moving)
        marked.append(each)
        ledger.append(
            uow,
            actor,
            f"deployment.{action}",
            f"deployment:{each.id}",
            reason=reason or text,
            digest=each.order.release_digest,
        )
    return marked


def _overtaken(deployment_id: str) -> Conflict:
    return Conflict(
        f"deployment {deployment_id} took a step at this moment; nothing was changed", todo="Try again."
    )


def abort(uow: UnitOfWork, actor: Actor, deployment_id: str, reason: str) -> Deployment:
    """Turn a moving rollout back. Raises Conflict when it moves no more."""
    row = store.load(uow, deployment_id, lock=True)
    access.require(uow, actor, "deployment:rollback", environment=row.order.environment)
    if not row.active or row.going_back:
        raise Conflict(f"deployment {deployment_id} is {row.state}; there is nothing to turn back")
    if acts.begin_way_back(uow, row, f"turned back by {actor.name}: {reason}") is None:
        raise _overtaken(deployment_id)
    return store.load(uow, deployment_id)


def on_removing(uow: UnitOfWork, happened: catalog.Removing) -> None:
    """What still runs keeps its service and its environment. Raises Conflict, which undoes the removal."""
    column = {"Service": "service", "Environment": "environment"}.get(happened.kind)
    if column is None:
        return
    rows = store.load_instances(uow, {column: happened.name, "wanted": ["running", "draining"]})
    if rows:
        places = ", ".join(sorted({f"{each.service} in {each.environment}" for each in rows}))
        raise Conflict(
            f"{happened.kind} {happened.name} cannot be removed while something of it runs: {places}",
            todo="Take it down first, or keep it in the files.",
        )
