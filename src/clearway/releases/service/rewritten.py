"""History was rewritten: approvals of what no branch and no tag holds any more are void.

Rules:
1. What was approved was a commit in a history that people can look at. When a force-push takes it out, the
   signature stands under nothing; whoever still wants the release signs again, knowing that.
2. A rollout that is under way goes on: it was permitted, and stopping half-way harms users. Gates and people
   stop it, and the ledger says what happened to its commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clearway import catalog, changes, source, workflow
from clearway.kernel import new_id
from clearway.releases import store
from clearway.releases.model import WAITING
from clearway.releases.service.moving import nudge, write
from clearway.source import HistoryMoved
from clearway.storage import Database, UnitOfWork

REWRITTEN = "releases.rewritten"
MOST_NAMED = 5


def on_history_moved(uow: UnitOfWork, happened: HistoryMoved) -> None:
    """Something was taken back: what waits is compared with what is left, in a flow of its own."""
    names = [each.ref for each in happened.moves if each.takes_back]
    if names:
        args = {"repository": happened.repository, "refs": names[:MOST_NAMED]}
        workflow.start(uow, REWRITTEN, f"rewritten/{new_id('rew')}", args)


def void_lost(database: Database, repository: str, refs: Sequence[str]) -> list[str]:
    """Make void the approvals of waiting promotions whose commit is in no history any more; their ids."""
    with database.read() as uow:
        lost: dict[str, str] = {}
        users = [
            name for name, own in catalog.repositories_of_services(uow).items() if own.name == repository
        ]
        for service in users:
            waiting = store.waiting_commits(uow, service)
            gone = source.unreached(source.open_repo(uow, service), set(waiting.values()))
            lost |= {promotion: commit for promotion, commit in waiting.items() if commit in gone}
    return [
        promotion_id for promotion_id, commit in lost.items() if _void(database, promotion_id, commit, refs)
    ]


def _void(database: Database, promotion_id: str, commit: str, refs: Sequence[str]) -> bool:
    names = ", ".join(each.split("/", 2)[-1] for each in refs)
    why = f"its commit {commit[:12]} is in no branch and no tag any more, since {names} was rewritten"
    with database.begin() as uow:
        promotion = store.promotion(uow, promotion_id, lock=True)
        if promotion is None or promotion.state not in WAITING:
            return False
        if not changes.void_approvals(uow, promotion_id, None, why, because={"commit": commit}):
            return False
        fresh = replace(promotion, approvals=changes.approvals(uow, promotion_id), why=why)
        saved = write(uow, promotion, fresh)
        if saved is not None:
            nudge(uow, saved)
    return True
