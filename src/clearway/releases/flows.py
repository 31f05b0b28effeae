"""What runs by itself: looks at promotions, follows a success, signs approvals, finds what was lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from clearway import artifacts, workflow
from clearway.kernel import ClearwayError, Retry
from clearway.storage import Database
from clearway.workflow import Chore, Flow, Run

from . import service, store

APPROVAL = "https://clearway.dev/attestation/approval/v1"
SWEEP_S = 20.0
AGAIN_S = 60.0
ATTEMPTS = 24 * 60
log = logging.getLogger("clearway.releases")


def advance(database: Database, run: Run, promotion_id: str, revision: int) -> None:
    """One look at a promotion. A look that fails is shown on the promotion, and repeated a minute later."""
    try:
        service.judge_ahead(database, promotion_id)
        with database.read() as uow:
            service.ahead_of_look(uow, promotion_id)
        with database.begin() as uow:
            service.advance(uow, promotion_id, revision)
        return
    except ClearwayError as error:
        why = str(error)
    except Exception as error:  # its words may hold statements and values: they belong into the log alone
        log.exception("looking at %s failed", promotion_id)
        why = f"an unexpected fault ({type(error).__name__}); the worker's log has it whole"
    with database.begin() as uow:
        service.hold(uow, promotion_id, revision, f"it could not be looked at: {why}")


def follow(database: Database, run: Run, promotion_id: str, attempt: int = 0) -> None:
    """Promote what did well to the next environment; tried again for a day while it cannot be planned."""
    try:
        with database.read() as uow:
            service.ahead_of_following(uow, promotion_id)
        with database.begin() as uow:
            service.follow(uow, promotion_id)
    except ClearwayError as error:
        _again(
            database, service.FOLLOW, f"follow/{promotion_id}", {"promotion_id": promotion_id}, attempt, error
        )


def wake(
    database: Database, run: Run, scopes: Sequence[Mapping[str, Any]], after: str = "", attempt: int = 0
) -> None:
    """Have all that wait in these scopes looked at, some at a time; what fails goes on a minute later."""
    try:
        with database.read() as uow:
            batches = service.waiting_batches(uow, scopes, after)
        for batch in batches:
            with database.begin() as uow:
                service.wake_batch(uow, batch)
            after = batch[-1]
    except ClearwayError as error:
        rest = {"scopes": [dict(each) for each in scopes], "after": after}
        _again(database, service.WAKE, run.key, rest, attempt, error)


def cut(database: Database, run: Run, cut_id: str, attempt: int = 0) -> None:
    """Make a cut's tag and have it built; a repository that is away is asked again a minute later."""
    try:
        service.make_tag(database, cut_id)
    except Retry as error:
        _again(database, service.CUT, cut_id, {"cut_id": cut_id}, attempt, error)


def finish_cut(database: Database, run: Run, cut_id: str, attempt: int = 0) -> None:
    """Make the release of a cut's build."""
    try:
        service.finish(database, cut_id)
    except Retry as error:
        _again(database, service.FINISH, f"{cut_id}/built", {"cut_id": cut_id}, attempt, error)


def rewritten(database: Database, run: Run, repository: str, refs: Sequence[str], attempt: int = 0) -> None:
    """Void approvals of commits that a rewritten history took away."""
    try:
        service.void_lost(database, repository, refs)
    except ClearwayError as error:
        args = {"repository": repository, "refs": list(refs)}
        _again(database, service.REWRITTEN, run.key, args, attempt, error)


def attest(database: Database, run: Run, promotion_id: str, approval_id: str, attempt: int = 0) -> None:
    """Turn an approval into signed evidence about the release; where nobody signs, there is none."""
    if artifacts.Signer not in database.tools:
        return
    try:
        _attest(database, promotion_id, approval_id)
    except ClearwayError as error:
        args = {"promotion_id": promotion_id, "approval_id": approval_id}
        _again(database, service.ATTEST, f"attest/{approval_id}", args, attempt, error)


def _again(
    database: Database, flow: str, key: str, args: dict[str, Any], attempt: int, error: ClearwayError
) -> None:
    """Start the flow once more, a minute later, under a key of its own."""
    log.warning("%s failed: %s", key, error)
    if attempt >= ATTEMPTS:
        return
    with database.begin() as uow:
        later = uow.now() + timedelta(seconds=AGAIN_S)
        workflow.start(uow, flow, f"{key}/{attempt + 1}", {**args, "attempt": attempt + 1}, at=later)


def _attest(database: Database, promotion_id: str, approval_id: str) -> None:
    with database.read() as uow:
        promotion = store.promotion(uow, promotion_id)
        if promotion is None:
            return
        [approval] = [each for each in promotion.approvals if each.id == approval_id]
    predicate: dict[str, Any] = {
        "promotion": promotion.id,
        "environment": promotion.environment,
        "plan": approval.plan_hash,
        "approver": approval.actor,
        "meaning": approval.meaning,
        "comment": approval.comment,
        "at": approval.at.isoformat(),
    }
    subject = [(f"{promotion.service} {promotion.version}", promotion.release_digest)]
    content = artifacts.statement(subject, APPROVAL, predicate)
    signer: artifacts.Signer = database.tool(artifacts.Signer)
    envelope = artifacts.sign(signer, content)
    with database.begin() as uow:
        artifacts.attach(uow, promotion.release_digest, APPROVAL, envelope)


def sweep(database: Database) -> None:
    """Start anew what a lost flow left."""
    with database.begin() as uow:
        service.sweep(uow)


FLOWS = {
    "releases.advance": Flow(advance),
    "releases.follow": Flow(follow),
    "releases.attest": Flow(attest),
    "releases.wake": Flow(wake),
    "releases.cut": Flow(cut),
    "releases.finish-cut": Flow(finish_cut),
    "releases.rewritten": Flow(rewritten),
}
CHORES = (Chore("releases.sweep", SWEEP_S, sweep),)
