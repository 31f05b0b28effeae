"""Looking at repositories: fetched outside transactions, recorded inside one, missed by nobody.

Rules:
1. Every fetch, whoever asked for it, ends in `record`: what moved is found against what was recorded, so a
   fetch whose process died is made good by the next one.
2. Somebody who tells of news only sets `wanted_at`. A look goes on until it has what was told of, so a
   hundred deliveries at once are one fetch or two.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from clearway import catalog, ledger, workflow
from clearway.catalog import CatalogChanged
from clearway.kernel import SYSTEM, ClearwayError, Refused, Retry, digest_of, new_id
from clearway.source import store
from clearway.source.events import HistoryMoved
from clearway.source.mirrors import Mirrors
from clearway.source.model import public_location
from clearway.source.refs import RefMove, moves
from clearway.source.repo import Repo
from clearway.source.service.credentials import git_access
from clearway.storage import Database, UnitOfWork

FOLLOW = "source.follow"
CHECK = "source.check"
LONGEST_PAUSE = timedelta(hours=1)  # between two tries at a repository that fails
SHORTEST_PAUSE = timedelta(seconds=30)
LONGEST_FETCH = timedelta(minutes=10)  # a look that did not end by then is lost, and started anew
MOST_TOLD = 50  # moves that one ledger entry names
ATTEMPTS = 5


def sync(database: Database, service: str, *, since: datetime | None = None) -> Repo:
    """Fetch the service's repository now, and record what moved. Outside transactions.

    A fetch that began after `since` is new enough: a hundred builds that were asked for before it need no
    more. Raises Invalid, Refused, Retry when the location is away, Permanent when it says no.
    """
    with database.read() as uow:
        repository = catalog.repository_of(uow, service)
    mirrors = database.tool(Mirrors)
    if since is not None and mirrors.has_since(repository.name, repository.location, since):
        return mirrors.open(repository.name)
    return fetch(database, repository)


def fetch(database: Database, repository: catalog.Repository) -> Repo:
    """The same for a repository. What fails is recorded too, where people look."""
    with database.read() as uow:
        began = uow.now()
    try:
        with database.read() as uow:
            access = git_access(uow, repository)  # it may refuse, and people have to see why
        repo = database.tool(Mirrors).sync(repository.name, repository.location, access)
    except ClearwayError as error:
        _note_failure(database, repository, error)
        raise
    record(database, repository, repo, began)
    database.tool(Mirrors).note(repository.name, repository.location, began)
    return repo


def record(database: Database, repository: catalog.Repository, repo: Repo, began: datetime) -> None:
    """Record where branches and tags are, what moved, and when to look again."""
    for _ in range(ATTEMPTS):
        seen = repo.pointers()
        digest = digest_of(seen)
        with database.read() as uow:
            known = store.state(uow, repository.name)
            before = {} if known is None or known.refs == digest else store.known_refs(uow, repository.name)
        moved = () if known is not None and known.refs == digest else moves(before, seen, repo.is_behind)
        lost = _lost(repo, moved, seen)
        with database.begin() as uow:
            if _write(uow, repository, digest, known, moved, lost, began):
                return
    raise Retry(f"others look at {repository.name} all the time")


def _write(
    uow: UnitOfWork,
    repository: catalog.Repository,
    digest: str,
    known: store.FollowState | None,
    moved: tuple[RefMove, ...],
    lost: Mapping[str, int],
    began: datetime,
) -> bool:
    now = store.state(uow, repository.name, lock=True)
    if (now.revision if now else None) != (known.revision if known else None):
        return False  # somebody else recorded in between: compare again
    revision = (known.revision if known else 0) + bool(moved)
    first = known is None or known.revision == 0
    store.save_state(
        uow,
        repository.name,
        location=public_location(repository.location),
        refs=digest,
        revision=max(revision, 1),
        begun_at=max(began, now.begun_at) if now and now.begun_at else began,
        synced_at=uow.now(),
        next_at=uow.now() + repository.poll if repository.poll else None,
        failures=0,
        error="",
    )
    if not moved:
        return True
    judge_again(uow, repository.name)
    store.save_moves(uow, repository.name, moved, lost, first=first)
    if first:
        return True
    taken_back = tuple(each for each in moved if each.takes_back and lost.get(each.ref))
    rewritten = tuple(each for each in moved if each.kind == "rewritten")
    if told := {each.ref: each for each in (*rewritten, *taken_back)}:
        _record_rewrite(uow, repository.name, tuple(told.values()), lost)
    uow.publish(HistoryMoved(repository.name, moved))
    return True


def _record_rewrite(
    uow: UnitOfWork, repository: str, told: tuple[RefMove, ...], lost: Mapping[str, int]
) -> None:
    told = tuple(sorted(told, key=lambda each: each.ref))
    names = ", ".join(each.ref.split("/", 2)[-1] for each in told[:5]) + (" ..." if len(told) > 5 else "")
    total = sum(lost.get(each.ref, 0) for each in told)
    ledger.append(
        uow,
        SYSTEM,
        "repository.history-rewritten",
        f"repository:{repository}",
        reason=f"{names} went back or elsewhere; {total} commits are in no branch and no tag any more",
        data={
            "moves": [[each.ref, each.kind, each.old, each.new] for each in told[:MOST_TOLD]],
            "more": max(0, len(told) - MOST_TOLD),
            "lost": total,
        },
    )


def _lost(repo: Repo, moved: tuple[RefMove, ...], seen: Mapping[str, str]) -> dict[str, int]:
    """How many commits went out of history by each move that takes something back."""
    tips = {each.ref: each.old for each in moved if each.takes_back and each.old}
    return repo.unreached(tips, tuple(seen.values())) if tips else {}


def judge_again(uow: UnitOfWork, repository: str) -> None:
    """Have the services of a repository held against their branches' rules, where any has some."""
    owns = catalog.repositories_of_services(uow)
    if any(each.branching and owns[each.name].name == repository for each in catalog.services(uow)):
        workflow.start(uow, CHECK, f"check/{repository}/{new_id('chk')}", {"repository": repository})


def on_catalog_changed(uow: UnitOfWork, happened: CatalogChanged) -> None:
    """What is not declared any more loses its credentials; what is declared otherwise is looked at soon."""
    for diff in happened.diffs:
        if diff.kind == "Repository" and diff.action == "delete":
            store.forget(uow, diff.name)
        elif diff.kind == "Repository" and store.state(uow, diff.name) is not None:
            store.save_state(uow, diff.name, next_at=uow.now())
        elif diff.kind == "Service" and diff.action in ("create", "update"):
            judge_again(uow, catalog.repository_of(uow, diff.name).name)


def want(uow: UnitOfWork, repository: str) -> None:
    """Somebody told of news: have the repository fetched soon, in this transaction's wake. Twice is once.

    While a look is queued or goes on, no other is started: it ends only when nothing newer was told of.
    """
    now = uow.now()
    known = store.state(uow, repository, lock=True)
    if known is not None and known.asked_at is not None and now < known.asked_at + LONGEST_FETCH:
        store.save_state(uow, repository, wanted_at=now)
        return
    store.save_state(uow, repository, wanted_at=now, asked_at=now)
    workflow.start(uow, FOLLOW, f"follow/{repository}/{new_id('tell')}", {"repository": repository})


def follow(database: Database, repository: str) -> None:
    """Fetch a declared repository, and again while more was told of meanwhile."""
    while True:
        with database.read() as uow:
            known = next((each for each in catalog.repositories(uow) if each.name == repository), None)
            state = store.state(uow, repository)
        if known is None or _has_come(state):
            return  # it was deleted meanwhile, or another look had it
        fetch(database, known)
        with database.begin() as uow:
            now = store.state(uow, repository, lock=True)
            # By what was told, not by when: the clocks of two machines differ.
            if now is None or state is None or now.wanted_at == state.wanted_at:
                store.save_state(uow, repository, asked_at=None)
                return


def _has_come(state: store.FollowState | None) -> bool:
    """Whether no look is asked for any more, and one began after the last news."""
    if state is None or state.asked_at is not None or state.begun_at is None:
        return False
    return state.wanted_at is not None and state.begun_at > state.wanted_at


def poll(database: Database) -> int:
    """Start a look at every declared repository whose time has come; returns how many."""
    with database.read() as uow:
        known = store.all_states(uow)
        due = [each for each in catalog.repositories(uow) if _is_due(each, known.get(each.name), uow.now())]
    for each in due:
        with database.begin() as uow:
            # Put off before it is begun: a look that takes long must not be started again meanwhile.
            store.save_state(uow, each.name, next_at=uow.now() + LONGEST_FETCH)
            want(uow, each.name)
    return len(due)


def _is_due(repository: catalog.Repository, state: store.FollowState | None, now: datetime) -> bool:
    if state is None:
        return True  # declared, and not yet seen
    return bool(repository.poll) if state.next_at is None else state.next_at <= now


def all_repositories(uow: UnitOfWork) -> tuple[catalog.Repository, ...]:
    """Declared ones, and those that services have of their own, by name."""
    found = {each.name: each for each in catalog.repositories(uow)}
    for own in catalog.repositories_of_services(uow).values():
        found.setdefault(own.name, own)
    return tuple(found[name] for name in sorted(found))


def _note_failure(database: Database, repository: catalog.Repository, error: ClearwayError) -> None:
    with database.begin() as uow:
        known = store.state(uow, repository.name, lock=True)
        failures = (known.failures if known else 0) + 1
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(failures, 8))
        pause = LONGEST_PAUSE if isinstance(error, Refused) else pause
        again = uow.now() + max(pause, repository.poll)
        store.save_state(
            uow, repository.name, failures=failures, error=str(error)[:1000], next_at=again, asked_at=None
        )
