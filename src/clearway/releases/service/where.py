"""Where a commit, a ticket or a pull request runs, since when, and by which promotion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from clearway import access, catalog, source
from clearway.kernel import Actor, NotFound
from clearway.releases import store
from clearway.storage import UnitOfWork

MOST_COMMITS = 200  # that one ticket names
MOST_READ = 20_000  # commits whose messages are searched for a ticket
MOST_RUNS = 200  # promotions of a place that are looked back at
_SHA = re.compile(r"[0-9a-f]{7,40}\Z")
_PULL = re.compile(r"#([0-9]{1,9})\Z")


@dataclass(frozen=True)
class Run:
    """One environment that runs it."""

    environment: str
    version: str  # what runs there
    since: datetime | None  # from when on every release there had it; None: longer than is looked back
    promotion: str | None  # that brought it


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
    for sha in _commits(uow, repo, known, subject):
        commit = source.commit(repo, sha)
        runs, missing = [], []
        for stop in stops:
            run = _run(uow, repo.path, known.name, stop, sha)
            if isinstance(run, Run):
                runs.append(run)
            elif run:
                missing.append(stop)
        yield Where(known.name, sha, commit.subject, commit.author, tuple(runs), tuple(missing))


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
    """The commits of the service's branch that name a ticket, newest first."""
    tip = source.resolve(repo, known.branch)
    told = 0
    for number, each in enumerate(repo.walk(tip, [])):
        if number >= MOST_READ or told >= MOST_COMMITS:
            return
        message = each.raw_message.decode(errors="replace")
        if ticket in message and ticket in catalog.tickets_in(known.tickets, message):
            told += 1
            yield str(each.id)


def _run(uow: UnitOfWork, mirror: Path, service: str, environment: str, sha: str) -> Run | bool:
    """The run that has it; True: something runs without it; False: nothing runs."""
    place = store.place(uow, service, environment)
    runs = store.release_by(uow, digest=place.release_digest) if place and place.release_digest else None
    if runs is None:
        return False
    if not _has(mirror, runs.commit, sha):
        return True
    ran = store.ran_at(uow, service, environment, MOST_RUNS)
    row = list(takewhile(lambda each: _has(mirror, each.commit, sha), ran))  # back to where it is unbroken
    if not row or len(row) == MOST_RUNS:  # it may have begun before: no answer is better than a wrong one
        return Run(environment, runs.version, None, None)
    return Run(environment, runs.version, row[-1].at, row[-1].promotion)


@lru_cache(maxsize=100_000)
def _has(mirror: Path, tip: str, sha: str) -> bool:
    # Commits never change, so neither does what they reach.
    try:
        return source.Repo(mirror).reaches(tip, sha)
    except NotFound:
        return False
