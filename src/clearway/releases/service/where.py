"""Where a commit, a ticket or a pull request runs, since when, and by which promotion.

What ran at a place, and what those releases have in their histories, is read once and kept until something
else succeeds there: a question is then one query for all the places, and a search in an index.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from clearway import access, catalog, source
from clearway.kernel import Actor, ClearwayError, NotFound
from clearway.releases import store
from clearway.storage import UnitOfWork

MOST_COMMITS = 200  # that one ticket names
MOST_READ = 20_000  # commits whose messages are searched for a ticket
MOST_RUNS = 2000  # promotions of a place that are looked back at
MOST_PASTS = 32  # services whose past is kept
MOST_PICKED = 500  # commits that only a release has, among which a cherry-pick is looked for
_SHA = re.compile(r"[0-9a-f]{7,40}\Z")
_PULL = re.compile(r"#([0-9]{1,9})\Z")


@dataclass(frozen=True)
class Run:
    """One environment that runs it."""

    environment: str
    version: str  # what runs there
    since: datetime | None  # from when on every release there had it; None: longer than is looked back
    promotion: str | None  # that brought it
    picked: str | None = None  # the cherry-pick that runs there in its place


@dataclass(frozen=True)
class Where:
    """One commit of one service, and every environment of its route that runs it."""

    service: str
    commit: str
    subject: str
    author: str
    runs: tuple[Run, ...]
    missing: tuple[str, ...]  # environments of the route that run something without it


def where(uow: UnitOfWork, actor: Actor, subject: str, *, service: str | None = None) -> list[Where]:
    """Where it runs: a commit's id (seven digits or more), a ticket such as SHOP-12, a pull request as #7.

    For one service, or for every service whose repository has it. Environments that the actor may not see are
    left out. Raises NotFound, Conflict for digits that several commits begin with.
    """
    chosen = [catalog.service(uow, service)] if service else catalog.services(uow)
    found = [each for known in chosen for each in _in(uow, actor, known, subject.strip())]
    if not found:
        raise NotFound(
            f"no commit is meant by {subject[:80]!r}" + (f" in {service}" if service else ""),
            expected="a commit's id, a ticket as the service's document names it, or a pull request (#7)",
        )
    return found


def _in(uow: UnitOfWork, actor: Actor, known: catalog.Service, subject: str) -> Iterator[Where]:
    try:
        repo = source.open_repo(uow, known.name)
    except NotFound:
        return
    stops = [
        stop
        for stop in catalog.route_of(uow, known.name).environments
        if access.may(uow, actor, "deployment:read", service=known.name, environment=stop).allowed
    ]
    past = None
    for sha in _commits(uow, repo, known, subject):
        past = past or _past(uow, repo, known.name, stops)
        commit = source.commit(repo, sha)
        runs, missing = [], []
        for stop in stops:
            run = past.run(stop, sha) or _picked(repo, known, past, stop, commit)
            if run is not None:
                runs.append(run)
            elif stop in past.ran:
                missing.append(stop)
        yield Where(known.name, sha, commit.subject, commit.author, tuple(runs), tuple(missing))


@dataclass(frozen=True)
class _Past:
    """What ran at a service's places, the last first, and what each of those releases has."""

    ran: Mapping[str, list[store.Ran]]  # only places where something runs; its row begins with that
    marks: Mapping[str, list[int]]  # of the commits of those releases, in the index
    reach: source.Reach

    def run(self, stop: str, sha: str) -> Run | None:
        """The unbroken row of releases with the commit, up to what runs now; None when that is without it."""
        row, having = self.ran.get(stop, []), self.reach.tips_with(sha)
        marks = enumerate(self.marks.get(stop, []))
        length = next((number for number, mark in marks if not having & mark), len(row))
        if not length:
            return None
        if length == MOST_RUNS:  # it may have begun before: no answer is better than a wrong one
            return Run(stop, row[0].version, None, None)
        return Run(stop, row[0].version, row[length - 1].at, row[length - 1].promotion)


_PASTS: OrderedDict[Any, _Past] = OrderedDict()
_PASTS_LOCK = Lock()


def _past(uow: UnitOfWork, repo: source.Repo, service: str, stops: list[str]) -> _Past:
    """The past of a service's places; read anew when another promotion succeeded at one of them."""
    now = {
        each.environment: each.promotion_id
        for each in store.places_of(uow, service)
        if each.environment in stops and each.release_digest
    }
    key = (repo.path, service, tuple(sorted(now.items())))
    with _PASTS_LOCK:
        if key in _PASTS:
            _PASTS.move_to_end(key)
            return _PASTS[key]
    ran = {}
    for stop, promotion in now.items():
        row = store.ran_at(uow, service, stop, MOST_RUNS)
        # What finished last is what runs, but where two overlapped: the row begins with what runs.
        begin = next((number for number, each in enumerate(row) if each.promotion == promotion), 0)
        ran[stop] = row[begin:]
    reach = source.Reach(repo, (each.commit for row in ran.values() for each in row))
    marks = {stop: [reach.mark(each.commit) for each in row] for stop, row in ran.items()}
    past = _Past(ran, marks, reach)
    with _PASTS_LOCK:
        _PASTS[key] = past
        while len(_PASTS) > MOST_PASTS:
            _PASTS.popitem(last=False)
    return past


def _picked(
    repo: source.Repo, known: catalog.Service, past: _Past, stop: str, commit: source.Commit
) -> Run | None:
    """The run of a cherry-pick of the commit, where only that is there."""
    row = past.ran.get(stop)
    if not row or len(commit.parents) > 1:
        return None
    own = _only_there(repo, row[0].commit, known.branch)
    patches = source.patch_ids(repo, [commit, *own]) if own else {}
    twins = [each.sha for each in own if patches.get(each.sha) == patches.get(commit.sha, "")]
    run = past.run(stop, twins[-1]) if twins else None
    return replace(run, picked=twins[-1]) if run else None


def _only_there(repo: source.Repo, tip: str, branch: str) -> tuple[source.Commit, ...]:
    """The commits of a release that the service's branch does not have, newest first."""
    try:
        return _difference(repo.path, tip, source.resolve(repo, branch))
    except ClearwayError:
        return ()  # no such branch any more: then nothing is known to be beside it


@lru_cache(maxsize=1000)
def _difference(mirror: Path, tip: str, trunk: str) -> tuple[source.Commit, ...]:
    return tuple(source.commits_between(source.Repo(mirror), [trunk], tip)[:MOST_PICKED])


def _commits(uow: UnitOfWork, repo: source.Repo, known: catalog.Service, subject: str) -> list[str]:
    if _SHA.match(subject):
        try:
            return [source.resolve(repo, subject)]
        except NotFound:
            return []
    if pull := _PULL.match(subject):
        told = source.pull_request(uow, source.repository_of(uow, known.name), int(pull[1]))
        if told is not None:
            return [told.merge_commit or told.head]
    if not any(subject in dict(rule.found(subject)) for rule in known.tickets):
        return []
    return list(_naming(repo, known, subject))


def _naming(repo: source.Repo, known: catalog.Service, ticket: str) -> Iterator[str]:
    """The commits of all branches that name a ticket, newest first."""
    heads = [sha for name, sha in repo.pointers().items() if name.startswith("refs/heads/")]
    told = 0
    for number, each in enumerate(repo.walk_all(heads)):
        if number >= MOST_READ or told >= MOST_COMMITS:
            return
        message = each.raw_message.decode(errors="replace")
        if ticket in message and ticket in catalog.tickets_in(known.tickets, message):
            told += 1
            yield str(each.id)
