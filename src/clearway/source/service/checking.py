"""Histories held against the rules of their branches: judged beside transactions, kept, and asked by gates.

Rule: what is kept names the refs, the rules, the keys and the pull requests that it was made of. When one of
them is another now, it is not fresh, and a gate that asks for it says no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from clearway import access, catalog
from clearway.catalog import NOTHING, Branching, Versioning, rule_for
from clearway.kernel import NotFound, digest_of
from clearway.source import delivery_store, store
from clearway.source.branching import Case, Judged, Violation
from clearway.source.mirrors import Mirrors
from clearway.source.reach import Reach
from clearway.source.repo import Repo
from clearway.source.signatures import Keys, Signature, signatures
from clearway.storage import Database, UnitOfWork


@dataclass(frozen=True)
class Check:
    """What was found, and whether it still says what is."""

    service: str
    strategy: str
    fresh: bool  # False: branches, rules, keys or reviews changed since; it is made anew soon
    at: datetime
    commits: int
    whole: bool
    violations: tuple[Violation, ...]
    branches: tuple[tuple[str, str, str], ...]


def check(database: Database, service: str) -> Check | None:
    """Judge a service's history as it was last fetched, unless that was done; None without a strategy.

    Walks history and verifies signatures: call it outside transactions. Raises NotFound.
    """
    with database.read() as uow:
        known = catalog.service(uow, service)
        if known.branching is None:
            return None
        stamp = _stamp(uow, known)
        kept = store.check(uow, service)
        if kept is not None and kept["stamp"] == stamp:
            return _check(known, kept, stamp)
        keys = _keys(uow)
        began = uow.now()
        repo = uow.tool(Mirrors).open(catalog.repository_of(uow, service).name)
    judged = _judge(database, known, repo, keys, began)
    with database.begin() as uow:
        row = {"stamp": stamp, "at": uow.now(), "found": _to_json(judged)}
        store.save_check(uow, service, row)
    return _check(known, row, stamp)


def signature_of(uow: UnitOfWork, service: str, commit: str) -> Signature:
    """What a commit's signature is worth by the keys of now. Raises NotFound."""
    repo = uow.tool(Mirrors).open(catalog.repository_of(uow, service).name)
    return signatures(repo, [commit], _keys(uow))[commit]


def check_repository(database: Database, repository: str) -> None:
    """Judge every service that comes from a repository, where that is not done."""
    with database.read() as uow:
        services = [
            name for name, own in catalog.repositories_of_services(uow).items() if own.name == repository
        ]
    for service in services:
        check(database, service)


def checked(uow: UnitOfWork, service: str) -> Check | None:
    """What was found last, from one row; None without a strategy, or before anybody looked."""
    known = catalog.service(uow, service)
    kept = store.check(uow, service) if known.branching else None
    return None if kept is None else _check(known, kept, _stamp(uow, known))


def _judge(database: Database, known: catalog.Service, repo: Repo, keys: Keys, now: datetime) -> Judged:
    def reviewed(shas: Sequence[str]) -> set[str]:
        with database.read() as uow:
            name = catalog.repository_of(uow, known.name).name
            pulls = store.pull_requests_of(uow, name, shas)
        return {
            sha
            for sha, some in pulls.items()
            if any(pull.state == "merged" and set(pull.approvers) - {pull.author} for pull in some)
        }

    def signed(shas: Sequence[str]) -> Mapping[str, Signature]:
        return signatures(repo, shas, keys)

    branching = known.branching
    if branching is None:
        raise NotFound(f"{known.name} has no branching strategy", todo="Add `branching` to its document.")
    return Case(
        repo, branching, known.branch, known.versioning or Versioning(), now, signed, reviewed
    ).judge()


def _keys(uow: UnitOfWork) -> Keys:
    return Keys((user.name, key) for user in access.users(uow) for key in user.signing_keys)


def _stamp(uow: UnitOfWork, known: catalog.Service) -> str:
    """Names everything that a check is made of, but for the time."""
    repository = catalog.repository_of(uow, known.name).name
    state = store.state(uow, repository)
    rules = known.branching.model_dump(mode="json") if known.branching else None
    prefix = known.versioning.model_dump(mode="json") if known.versioning else None
    keys = sorted((user.name, key) for user in access.users(uow) for key in user.signing_keys)
    return digest_of(
        {
            "refs": state.refs if state else "",
            "rules": rules,
            "branch": known.branch,
            "versioning": prefix,
            "keys": [list(each) for each in keys],
            "pulls": store.pulls_stamp(uow, repository),
            "reviews": delivery_store.reviews_stamp(uow, repository),
            # What may take its time is late one day, though nothing moved.
            "hour": int(uow.now().timestamp() // 3600) if _waits(known) else 0,
        }
    )


def _waits(known: catalog.Service) -> bool:
    return known.branching is not None and any(rule.within for rule in known.branching.rules)


def _to_json(judged: Judged) -> dict[str, Any]:
    return {
        "violations": [asdict(each) for each in judged.violations],
        "branches": [list(each) for each in judged.branches],
        "commits": judged.commits,
        "whole": judged.whole,
    }


def _check(known: catalog.Service, row: Mapping[str, Any], stamp: str) -> Check:
    found = row["found"]
    return Check(
        known.name,
        known.branching.strategy if known.branching else "",
        row["stamp"] == stamp,
        row["at"],
        found["commits"],
        found["whole"],
        tuple(Violation(**each) for each in found["violations"]),
        tuple(tuple(each) for each in found["branches"]),
    )


@dataclass(frozen=True)
class Origin:
    """The branches that a commit is on, as far as rules know them, and where its releases may go."""

    branches: tuple[str, ...]  # of those that yield versions, or whose releases may go anywhere
    environments: tuple[str, ...] | None  # None: everywhere

    def allows(self, environment: str) -> bool:
        """Whether releases may go there."""
        return self.environments is None or environment in self.environments


def origin(uow: UnitOfWork, service: str, commit: str) -> Origin | None:
    """Which branches a commit is on, and where that lets its releases go; None without a strategy.

    A branch that was deleted counts with the commit that it had. Walks history when it is asked first.
    Raises NotFound when the repository was not fetched.
    """
    known = catalog.service(uow, service)
    if known.branching is None:
        return None
    repository = catalog.repository_of(uow, service).name
    state = store.state(uow, repository)
    repo = uow.tool(Mirrors).open(repository)
    gone = tuple(sorted(store.deleted_branches(uow, repository).items()))
    refs = state.refs if state else digest_of(repo.pointers())
    return _origin(repo.path, refs, gone, commit, known.branching.model_dump_json(), known.branch)


@lru_cache(maxsize=4096)
def _origin(
    mirror: Path, refs: str, gone: tuple[tuple[str, str], ...], commit: str, rules: str, branch: str
) -> Origin:
    repo = Repo(mirror)
    ruled = Branching.model_validate_json(rules).all_rules(branch)
    prefix = "refs/heads/"
    heads = {**dict(gone), **{name: sha for name, sha in repo.pointers().items() if name.startswith(prefix)}}
    on: dict[str, tuple[str, ...] | None] = {}
    for name, sha in sorted(heads.items()):
        rule = rule_for(ruled, name.removeprefix(prefix))
        if rule is None or rule.environments == () or (rule.yields == NOTHING and not rule.environments):
            continue  # nothing of it may go anywhere
        if repo.is_behind(commit, sha):
            on[name.removeprefix(prefix)] = rule.environments
    if any(where is None for where in on.values()):
        return Origin(tuple(on), None)
    return Origin(tuple(on), tuple(sorted({name for where in on.values() for name in where or ()})))


def violations_of(uow: UnitOfWork, service: str, found: Check, commit: str) -> tuple[Violation, ...]:
    """Those of a check's violations whose commit is in the history of another one."""
    repo = uow.tool(Mirrors).open(catalog.repository_of(uow, service).name)
    reach = _reach(repo.path, commit)
    return tuple(each for each in found.violations if reach.has(commit, each.commit))


@lru_cache(maxsize=64)
def _reach(mirror: Path, commit: str) -> Reach:
    return Reach(Repo(mirror), [commit])
