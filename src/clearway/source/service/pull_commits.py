"""A pull request's own commits, which most forges leave out: read from the mirror once its head is there.

A squash leaves one commit on the target branch; only with the own commits is it known what went into it, and
notes that find both on their way count them once.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from clearway.kernel import NotFound
from clearway.source import delivery_store, store
from clearway.source.mirrors import Mirrors
from clearway.source.repo import Repo
from clearway.storage import Database

NEWEST = 100  # deliveries; what never comes into the mirror, such as a fork's branch, is not sought for ever
MOST_COMMITS = 500


def find_commits(database: Database, repository: str) -> int:
    """Keep the own commits of pull requests whose forge did not tell; of how many. Outside transactions."""
    with database.read() as uow:
        untold = delivery_store.told_without_commits(uow, repository, NEWEST)
    if not untold:
        return 0
    try:
        repo = database.tool(Mirrors).open(repository)
    except NotFound:
        return 0
    found = {pull: own for pull in untold if (own := own_commits(repo, pull))}
    if found:
        with database.begin() as uow:
            for pull, own in found.items():
                now = store.pull_request(uow, repository, pull.number)
                if now is not None and now.head == pull.head and not now.commits:
                    store.save_pull_request(uow, replace(now, commits=own))
    return len(found)


def own_commits(repo: Repo, pull: delivery_store.Untold) -> tuple[str, ...]:
    """What its branch has beside its target, oldest first; empty when the mirror cannot tell.

    Of a merged one, beside what the target had before: a squash's parent, a merge's first one.
    """
    if pull.state == "merged" and pull.merge_commit in (None, pull.head):
        return ()  # the target was moved on to the head: what was before is not to be told apart
    left = pull.merge_commit if pull.state == "merged" else None
    if not repo.holds(pull.head) or (left and not repo.holds(left)):
        return ()
    target = repo.reference(f"refs/heads/{pull.target}")
    base = str(repo.find(left).parent_ids[0]) if left and repo.find(left).parent_ids else target
    if base is None:
        return ()
    own = [str(each.id) for each in islice(repo.walk(pull.head, [base]), MOST_COMMITS + 1)]
    return tuple(reversed(own)) if len(own) <= MOST_COMMITS else ()
