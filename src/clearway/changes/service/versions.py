"""The next version of a service, from its repository as it was last fetched."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearway import catalog, source
from clearway.catalog import Versioning
from clearway.changes.change import Change, changes_of, told_change, without_reverted, without_twins
from clearway.changes.fragments import (
    TYPES,
    Towncrier,
    changeset,
    towncrier_fragment,
    towncrier_settings,
)
from clearway.changes.next_version import Next, Past, next_version
from clearway.kernel import LEVELS, Conflict, Invalid, NotFound, Version
from clearway.storage import UnitOfWork

__all__ = ["Proposed", "propose_version", "read_past"]

MOST_FRAGMENTS = 2000
_RELEASE_AS = re.compile(r"^Release-As:[ \t]*(\S{1,100})[ \t]*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Proposed:
    """The next version of a service, and of which commit."""

    service: str
    commit: str
    branch: str  # what was asked for: a branch, a tag or a commit
    channel: str
    next: Next

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        own = {"service": self.service, "commit": self.commit, "branch": self.branch}
        return {**own, "channel": self.channel or None, **self.next.to_json()}


def propose_version(uow: UnitOfWork, service: str, *, ref: str = "", channel: str | None = None) -> Proposed:
    """What the next version of a commit would be (the service's branch when none is named), and why.

    `channel` overrides what the branch says; empty: a final version. Reads the mirror: ask before a write.
    Raises NotFound, Invalid, Conflict.
    """
    known = catalog.service(uow, service)
    rules = known.versioning or Versioning()
    repo = source.open_repo(uow, service)
    branch = ref or known.branch
    commit = source.resolve(repo, branch)
    chosen = _channel(known, rules, branch) if channel is None else channel
    past = read_past(repo, rules, commit)
    news = source.commits_between(repo, [past.last_commit] if past.last_commit else [], commit)
    own = _own(repo, known, rules, news)
    standing = without_reverted(without_twins(own))
    changes = _front_end(uow, repo, known, rules, past, commit, standing)
    found = next_version(
        rules, past, changes, uow.now().date(), channel=chosen, release_as=_release_as(standing)
    )
    return Proposed(service, commit, branch, chosen, found)


def _channel(known: catalog.Service, rules: Versioning, branch: str) -> str:
    """What a branch's versions are: as versioning says, else as the rules of the branches do.

    Raises Conflict for a branch that yields no versions.
    """
    if (named := rules.channel_of(branch)) or known.branching is None:
        return named
    rule = catalog.rule_for(known.branching.all_rules(known.branch), branch)
    if rule is None or rule.yields == catalog.FINAL:
        return ""  # a tag or a commit, or a branch that no rule knows: the check tells of that one
    if rule.yields == catalog.NOTHING:
        raise Conflict(
            f"{branch} yields no versions, by the rule for `{rule.branch}`",
            todo="Release from another branch, or name the channel of a prerelease.",
        )
    return rule.yields


def read_past(repo: source.Repo, rules: Versioning, commit: str) -> Past:
    """What history says of versions at a commit."""
    tagged = {version: sha for tag, sha in source.tags(repo).items() if (version := rules.version_of(tag))}
    ordered = sorted(tagged, key=lambda each: each.order, reverse=True)
    last = _highest(repo, commit, [each for each in ordered if each.final], tagged)
    higher = [each for each in ordered if not each.final and (last is None or each.order > last.order)]
    reached = source.reached(repo, commit, {tagged[each] for each in higher})
    return Past(
        last,
        tagged[last] if last else None,
        tuple(each for each in higher if tagged[each] in reached),
        tuple(ordered),
        tuple(each for each in ordered if tagged[each] == commit),
    )


def _highest(
    repo: source.Repo, commit: str, finals: Sequence[Version], tagged: dict[Version, str]
) -> Version | None:
    """The highest that history reaches: nearly always one of the first, else all are looked for at once."""
    few, rest = finals[:4], finals[4:]
    for some in ([each] for each in few):
        if source.reached(repo, commit, {tagged[some[0]]}):
            return some[0]
    found = source.reached(repo, commit, {tagged[each] for each in rest})
    return next((each for each in rest if tagged[each] in found), None)


def _own(
    repo: source.Repo, known: catalog.Service, rules: Versioning, commits: list[source.Commit]
) -> list[source.Commit]:
    """The commits that are the service's: all, or those that touch its folders in a shared repository."""
    if known.path == "." and not rules.include:
        return commits
    return source.touched(repo, commits, (known.path, *rules.include))


def _release_as(commits: Sequence[source.Commit]) -> str | None:
    for each in commits:  # newest first
        if found := _RELEASE_AS.search(each.body):
            return found[1]
    return None


def _front_end(
    uow: UnitOfWork,
    repo: source.Repo,
    known: catalog.Service,
    rules: Versioning,
    past: Past,
    commit: str,
    commits: list[source.Commit],
) -> list[Change]:
    """The changes since the last version, as the service's front end tells them."""
    match rules.changes:
        case "towncrier":
            return _fragments(repo, known, past, commit, _towncrier(repo, known, commit))
        case "changesets":
            return _changesets(repo, known, past, commit)
        case "labels":
            return _labelled(uow, known, rules, commits)
        case _:
            return [change for each in commits for change in changes_of(each)]


def _towncrier(repo: source.Repo, known: catalog.Service, commit: str) -> Towncrier:
    for name in ("towncrier.toml", "pyproject.toml"):
        path = _join(known.path, name)
        try:
            text = source.read_file(repo, commit, path)
        except NotFound:
            continue
        if found := towncrier_settings(text, where=path):
            return found
    return Towncrier("newsfragments", TYPES)


def _fragments(
    repo: source.Repo, known: catalog.Service, past: Past, commit: str, settings: Towncrier
) -> list[Change]:
    found = []
    for name, path, text in _new_files(repo, _join(known.path, settings.directory), past, commit):
        if change := towncrier_fragment(settings, name, text, where=path):
            found.append(change)
    return found


def _changesets(repo: source.Repo, known: catalog.Service, past: Past, commit: str) -> list[Change]:
    package = _package_name(repo, known, commit)
    found = []
    for name, path, text in _new_files(repo, ".changeset", past, commit):
        if change := changeset(package, name, text, where=path):
            found.append(change)
    return found


def _package_name(repo: source.Repo, known: catalog.Service, commit: str) -> str:
    path = _join(known.path, "package.json")
    try:
        name = json.loads(source.read_file(repo, commit, path)).get("name")
    except NotFound:
        return known.name
    except (ValueError, AttributeError, RecursionError):
        raise Invalid("it cannot be read", where=path, expected="JSON with the package's name") from None
    return name if isinstance(name, str) else known.name


def _new_files(repo: source.Repo, folder: str, past: Past, commit: str) -> list[tuple[str, str, bytes]]:
    """Name, path and text of the plain files of a folder that the last version did not have as they are."""
    try:
        names = [name for name in source.list_files(repo, commit, folder) if not name.endswith("/")]
    except NotFound:
        return []
    if len(names) > MOST_FRAGMENTS:
        raise Invalid(f"{folder} holds {len(names)} files", expected=f"at most {MOST_FRAGMENTS} fragments")
    found = []
    for name in sorted(names):
        path = f"{folder}/{name}"
        if past.last_commit and repo.entry(past.last_commit, path) == repo.entry(commit, path):
            continue
        found.append((name, path, source.read_file(repo, commit, path)))
    return found


def _labelled(
    uow: UnitOfWork, known: catalog.Service, rules: Versioning, commits: list[source.Commit]
) -> list[Change]:
    """One change for each pull request, by its strongest label; commits without one are quiet."""
    repository = source.repository_of(uow, known.name)
    pulls = source.pull_requests_of(uow, repository, [each.sha for each in commits])
    found: list[Change] = []
    told: set[int] = set()
    for each in commits:
        merged = [pull for pull in pulls.get(each.sha, []) if pull.state == "merged"]
        if not merged:
            found.append(told_change(None, each.subject, where="", commit=each.sha, author=each.author))
        for pull in merged:
            if pull.number not in told:
                told.add(pull.number)
                levels = [level for label in pull.labels if (level := rules.labels.get(label))]
                raises = max(levels, key=LEVELS.index, default=None)
                found.append(
                    told_change(
                        raises, pull.title, where=f"#{pull.number}", commit=each.sha, author=pull.author
                    )
                )
    return found


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
