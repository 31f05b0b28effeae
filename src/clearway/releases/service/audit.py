"""Who changed a file, a line; what is known of a commit: from git, the forge, builds, releases, promotions.

Rule: git is read once for all commits of a page, whatever the number of releases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from clearway import access, build, catalog, changes, source
from clearway.kernel import Actor, Invalid, NotFound
from clearway.releases import store
from clearway.releases.carried import (
    Arrival,
    Audit,
    AuditEntry,
    BuildOf,
    CommitFacts,
    CommitPage,
    Named,
    PullOf,
    ReleaseOf,
    Signed,
    TicketOf,
)
from clearway.releases.service.where import where
from clearway.storage import UnitOfWork, decode_cursor, encode_cursor

MOST_RELEASES = 5000  # of a service that are looked at
MOST_RUNS = 1000  # promotions of a place that are looked back at
MOST_LISTED = 20  # releases of one commit that are named
MOST_BUILDS = 5  # of one commit
MOST_AUDITED = 200  # changes on a page

Known = Callable[[str, str], tuple[str, str]]


def audit(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    spot: source.Spot,
    *,
    ref: str = "",
    after: str | None = None,
    limit: int = 50,
) -> Audit:
    """Every change to a file or lines, as they are at `ref` (the service's branch when empty), newest first.

    What belongs to environments that the actor may not see is left out. Raises NotFound, Invalid, Conflict.
    """
    if not 1 <= limit <= MOST_AUDITED:
        raise Invalid(f"a page of {limit} changes", expected=f"1 to {MOST_AUDITED}")
    asked = ref or catalog.service(uow, service).branch
    repo = source.open_repo(uow, service)
    commit = source.resolve(repo, asked)
    found = source.line_history(repo, commit, spot)
    start = _start(after)
    touches = found.touches[start : start + limit]
    commits = {each.commit: source.commit(repo, each.commit) for each in touches}
    facts = _facts(uow, actor, service, repo, list(commits.values()), source.known_as(repo, commit))
    more = encode_cursor(start + limit) if len(found.touches) > start + limit else None
    return Audit(
        service,
        spot.path,
        spot.first,
        spot.last,
        asked,
        commit,
        len(found.touches),
        found.ends,
        tuple(_entry(each, facts[each.commit]) for each in touches),
        more,
    )


def _entry(touch: source.Touch, facts: CommitFacts) -> AuditEntry:
    return AuditEntry(touch.how, touch.path, touch.before, touch.lines, touch.edited, facts)


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    start = decode_cursor(cursor)
    if not isinstance(start, int) or start < 0:
        raise Invalid("the cursor is not one that a page gave", todo="Start again without a cursor.")
    return start


def about_commit(uow: UnitOfWork, actor: Actor, service: str, ref: str) -> CommitPage:
    """One commit with its files, people, builds, releases and places. Raises NotFound, Invalid, Conflict."""
    known = catalog.service(uow, service)
    repo = source.open_repo(uow, service)
    sha = source.resolve(repo, ref)
    named = source.known_as(repo, _tip(repo, known.branch, sha))
    facts = _facts(uow, actor, service, repo, [source.commit(repo, sha)], named)[sha]
    judged = source.checked(uow, service)
    violations = tuple(each for each in judged.violations if each.commit == sha) if judged else ()
    facts = replace(facts, arrivals=facts.arrivals + _picked(uow, actor, service, facts))
    signature = source.signature_of(uow, service, sha)
    return CommitPage(service, facts, signature, violations, source.patch_of(repo, sha))


def _picked(uow: UnitOfWork, actor: Actor, service: str, facts: CommitFacts) -> tuple[Arrival, ...]:
    """The environments that only run a cherry-pick of it."""
    there = {each.environment for each in facts.arrivals}
    found = [each for one in where(uow, actor, facts.sha, service=service) for each in one.runs]
    return tuple(
        Arrival(each.environment, each.version, each.promotion, each.version, each.since, (), each.picked)
        for each in found
        if each.picked and each.environment not in there
    )


def _tip(repo: source.Repo, branch: str, otherwise: str) -> str:
    try:
        return source.resolve(repo, branch)
    except NotFound:
        return otherwise


def _facts(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    repo: source.Repo,
    commits: Sequence[source.Commit],
    named: Known,
) -> dict[str, CommitFacts]:
    """What is known of each of these commits."""
    shas = [each.sha for each in commits]
    pulls = source.pull_requests_of(uow, source.repository_of(uow, service), shas)
    rules = catalog.service(uow, service).tickets
    way = _way(uow, actor, service)
    tips = way.tips
    reach = _reach(repo.path, tuple(tips))
    having = {sha: reach.tips_with(sha) for sha in shas}
    contained = {sha: {tip for tip in tips if marks & reach.mark(tip)} for sha, marks in having.items()}
    approvals = _approvals(uow, way, contained)
    return {
        each.sha: _one(each, named, rules, pulls.get(each.sha, []), way, contained[each.sha], approvals)
        for each in commits
    }


@lru_cache(maxsize=8)
def _reach(mirror: Path, tips: tuple[str, ...]) -> source.Reach:
    # Commits never change, so neither does what leads to some of them.
    return source.Reach(source.Repo(mirror), tips)


@dataclass(frozen=True)
class _Way:
    """What a service's commits went through, as far as the actor may see it."""

    released: Sequence[store.Point]
    built: Sequence[build.Point]
    stops: dict[str, _Stop]

    @property
    def tips(self) -> list[str]:
        ran = (each.commit for stop in self.stops.values() for each in stop.ran)
        commits = (each.commit for part in (self.released, self.built) for each in part)
        return list(dict.fromkeys([*commits, *ran]))


@dataclass(frozen=True)
class _Stop:
    version: str | None  # runs there
    commit: str | None
    ran: Sequence[store.Ran]  # newest first
    whole: bool  # that is all that ever ran there


def _way(uow: UnitOfWork, actor: Actor, service: str) -> _Way:
    def may(action: str, environment: str | None = None) -> bool:
        return access.may(uow, actor, action, service=service, environment=environment).allowed

    stops = {}
    for name in catalog.route_of(uow, service).environments:
        if not may("deployment:read", name):
            continue
        place = store.place(uow, service, name)
        digest = place.release_digest if place else None
        runs = store.release_by(uow, digest=digest) if digest else None
        ran = store.ran_at(uow, service, name, MOST_RUNS) if may("promotion:read", name) else []
        version, commit = (runs.version, runs.commit) if runs else (None, None)
        stops[name] = _Stop(version, commit, ran, len(ran) < MOST_RUNS)
    built = build.points(uow, service) if may("build:read") else []
    return _Way(store.points(uow, service, MOST_RELEASES), built, stops)


def _first(stop: _Stop, tips: set[str]) -> store.Ran | None:
    """The first that brought it; None when it never came, or longer ago than is looked back."""
    found = next((each for each in reversed(stop.ran) if each.commit in tips), None)
    return None if found is not None and found is stop.ran[-1] and not stop.whole else found


def _approvals(
    uow: UnitOfWork, way: _Way, contained: dict[str, set[str]]
) -> dict[str, tuple[changes.Approval, ...]]:
    firsts = (_first(stop, tips) for tips in contained.values() for stop in way.stops.values())
    return changes.approvals_of_many(uow, sorted({each.promotion for each in firsts if each}))


def _one(
    commit: source.Commit,
    named: Known,
    rules: Iterable[catalog.Tickets],
    pulls: Sequence[source.PullRequest],
    way: _Way,
    tips: set[str],
    approvals: dict[str, tuple[changes.Approval, ...]],
) -> CommitFacts:
    author, committer = ((commit.author, commit.author_email), (commit.committer, commit.committer_email))
    others = [each for each in commit.people if each not in (author, committer)]
    tickets = catalog.tickets_in(rules, f"{commit.subject}\n{commit.body}")
    carrying = [each for each in way.released if each.commit in tips]
    return CommitFacts(
        commit.sha,
        commit.subject,
        commit.body,
        commit.parents,
        Named(*named(*author)),
        commit.authored_at,
        Named(*named(*committer)),
        commit.committed_at,
        tuple(Named(*named(*each)) for each in others),
        changes.reviewers_of(commit.body, [each for each in pulls if each.state == "merged"]),
        tuple(_pull(each) for each in pulls),
        tuple(TicketOf(*each) for each in tickets.items()),
        _builds(commit.sha, way.built, tips),
        tuple(ReleaseOf(each.id, each.version, each.at) for each in carrying[:MOST_LISTED]),
        len(carrying),
        tuple(_arrivals(way, tips, approvals)),
    )


def _pull(told: source.PullRequest) -> PullOf:
    approvers, merged = told.approvers, (told.merged_by, told.merged_at)
    return PullOf(told.number, told.title, told.url, told.state, told.author, approvers, *merged)


def _builds(sha: str, built: Sequence[build.Point], tips: set[str]) -> tuple[BuildOf, ...]:
    own = [each for each in built if each.commit == sha][-MOST_BUILDS:][::-1]
    chosen = own or [each for each in built if each.commit in tips][:1]
    return tuple(BuildOf(each.id, each.version, each.commit == sha, each.at) for each in chosen)


def _arrivals(
    way: _Way, tips: set[str], approvals: dict[str, tuple[changes.Approval, ...]]
) -> Iterable[Arrival]:
    for name, stop in way.stops.items():
        runs = stop.version if stop.commit in tips else None
        first = _first(stop, tips)
        if runs is None and first is None:
            continue
        if first is None:
            yield Arrival(name, runs, None, None, None, ())
            continue
        standing = [each for each in approvals.get(first.promotion, ()) if each.counts]
        signed = tuple(Signed(each.actor, each.meaning, each.at) for each in standing)
        yield Arrival(name, runs, first.promotion, first.version, first.at, signed)
