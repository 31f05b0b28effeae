"""Walking histories, and waking the gates' evaluator, before a write needs them.

Commits never change, so what lies between two of them is read once for each process. Asking for it in a read
beforehand keeps a walk over years of history out of the write transaction, where every other writer would
wait for it. Nothing depends on this: a write that finds nothing walks by itself.
"""

from __future__ import annotations

import contextlib

from clearway import changes, policy, source
from clearway.kernel import ClearwayError
from clearway.releases import store
from clearway.releases.facts import branching_facts
from clearway.releases.service.create import find_build, runs_at_the_end
from clearway.releases.service.planning import change_set, running_release, stop_after
from clearway.storage import Database, UnitOfWork


def ahead_of_release(
    uow: UnitOfWork, service: str, *, build_id: str | None = None, version: str | None = None
) -> None:
    """Read what `create` will ask of the history. What is wrong, `create` says."""
    with contextlib.suppress(ClearwayError):
        built = find_build(uow, service, build_id, version)
        if built.commit is None or built.version is None:
            return
        if store.release_by(uow, service=service, version=built.version) is not None:
            return
        runs, since = runs_at_the_end(uow, service)
        changes.draft_notes(uow, service, built.version, built.commit, **since)
        change_set(uow, service, runs.commit if runs else None, built.commit)


def ahead_of_promotion(uow: UnitOfWork, service: str, version: str, environment: str) -> None:
    """Read what a promotion's plan will ask of the history. What is wrong, the promotion says."""
    with contextlib.suppress(ClearwayError):
        release = store.release_by(uow, service=service, version=version)
        if release is not None:
            runs = running_release(uow, service, environment)
            change_set(uow, service, runs.commit if runs else None, release.commit)
            branching_facts(uow, release, environment)
        if uow.has_tool(policy.Evaluator):
            evaluator: policy.Evaluator = uow.tool(policy.Evaluator)
            evaluator.evaluate(["true"], {})  # its process may have to start, which can take seconds


def judge_ahead(database: Database, promotion_id: str) -> None:
    """Have the service's history held against the rules of its branches, where that is not done."""
    with database.read() as uow:
        head = store.head(uow, promotion_id)
    if head is not None and head.kind == "rollout":
        with contextlib.suppress(ClearwayError):  # what is not known is a no, where a gate asks
            source.check(database, head.service)


def ahead_of_look(uow: UnitOfWork, promotion_id: str) -> None:
    """The same for a promotion that will be looked at."""
    head = store.head(uow, promotion_id)
    if head is not None and head.kind == "rollout":
        ahead_of_promotion(uow, head.service, head.version, head.environment)


def ahead_of_following(uow: UnitOfWork, promotion_id: str) -> None:
    """The same for the stop after a promotion's."""
    with contextlib.suppress(ClearwayError):
        head = store.head(uow, promotion_id)
        following = stop_after(uow, head.service, head.environment) if head else None
        if head is not None and following is not None:
            ahead_of_promotion(uow, head.service, head.version, following)
