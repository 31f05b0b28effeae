"""Release notes from git: made at release time, kept under their digest; or drafted for any two commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from clearway import catalog, source
from clearway.changes import affected, store
from clearway.changes.flags import FlagSet, flag_changes, read_flags
from clearway.changes.notes import Known, Notes, make_notes, notes_from_json
from clearway.kernel import Invalid, NotFound
from clearway.storage import UnitOfWork

MOST_COMPARED = 5000  # commits whose patches are compared with those of the other side


def release_notes(uow: UnitOfWork, service: str, version: str, commit: str, **since: Any) -> Notes:
    """The notes of what is in `commit` and not in what runs; kept under their digest. See draft_notes."""
    notes = draft_notes(uow, service, version, commit, **since)
    store.save_notes(uow, notes.digest, notes.to_json())
    return notes


def draft_notes(
    uow: UnitOfWork,
    service: str,
    version: str,
    commit: str,
    *,
    since_version: str | None = None,
    since_commit: str | None = None,
    definition: Mapping[str, Any] | None = None,
    since_definition: Mapping[str, Any] | None = None,
) -> Notes:
    """The same, kept nowhere; the walk stays in this process, so that it can come before the write.

    `definition` and `since_definition` are the two clearway.yaml, for what operators must know.
    Raises NotFound.
    """
    known = catalog.service(uow, service)
    mirror = source.open_repo(uow, service).path
    include = known.versioning.include if known.versioning else ()
    paths = () if known.path == "." and not include else (known.path, *include)
    read = _difference(mirror, commit, since_commit, paths)
    shas = [each.sha for each in (*read.new, *read.gone)]
    pulls = source.pull_requests_of(uow, source.repository_of(uow, service), shas)
    more = Known(
        read.gone,
        read.patches,
        read.names,
        {sha: [pull for pull in each if pull.state == "merged"] for sha, each in pulls.items()},
        known.tickets,
        affected.configuration(since_definition, definition or {}) if definition else (),
        affected.migrations(since_definition, definition or {}),
        _flags(mirror, known.path, (commit, definition), (since_commit, since_definition)),
    )
    since = {"since_version": since_version, "since_commit": since_commit}
    return make_notes(service, version, commit, read.new, known=more, **since)


_Side = tuple[str | None, Mapping[str, Any] | None]  # a commit, and its clearway.yaml


def _flags(mirror: Path, folder: str, here: _Side, before: _Side) -> tuple[str, ...]:
    """What changed of the feature flags; a file that only one side names is read on both."""
    named = dict.fromkeys([*((before[1] or {}).get("flags") or ()), *((here[1] or {}).get("flags") or ())])
    paths = tuple(name if folder == "." else f"{folder}/{name}" for name in named)
    if not paths or here[0] is None:
        return ()
    old = _flag_set(mirror, before[0], paths) if before[0] else None
    return flag_changes(old, _flag_set(mirror, here[0], paths))


@lru_cache(maxsize=64)
def _flag_set(mirror: Path, commit: str, paths: tuple[str, ...]) -> FlagSet:
    repo = source.Repo(mirror)
    files = []
    for path in paths:
        try:
            files.append((path, source.read_file(repo, commit, path)))
        except NotFound:
            continue
        except Invalid:  # a folder, a link, or huge: told as one that cannot be read
            files.append((path, b""))
    return read_flags(files)


@dataclass(frozen=True)
class _Difference:
    new: tuple[source.Commit, ...]
    gone: tuple[source.Commit, ...]
    patches: Mapping[str, str]
    names: Mapping[str, str]


@lru_cache(maxsize=32)
def _difference(mirror: Path, commit: str, since: str | None, paths: tuple[str, ...]) -> _Difference:
    # Commits never change, so neither does what lies between two of them.
    repo = source.Repo(mirror)
    new = _own(repo, source.commits_between(repo, [since] if since else [], commit), paths)
    gone = _own(repo, source.commits_between(repo, [commit], since), paths) if since else []
    return _Difference(
        tuple(new), tuple(gone), _patches(repo, new, gone), _names(repo, commit, [*new, *gone])
    )


def _own(repo: source.Repo, commits: list[source.Commit], paths: tuple[str, ...]) -> list[source.Commit]:
    """The commits that are the service's: all, or those that touch its folders in a shared repository."""
    return source.touched(repo, commits, paths) if paths else commits


def _patches(
    repo: source.Repo, new: Sequence[source.Commit], gone: Sequence[source.Commit]
) -> dict[str, str]:
    """Patch ids, where a patch can be there twice: on both sides, or on two merged branches."""
    if not gone and all(len(each.parents) < 2 for each in new):
        return {}
    return source.patch_ids(repo, [*gone[:MOST_COMPARED], *new[:MOST_COMPARED]])


def _names(repo: source.Repo, commit: str, commits: Sequence[source.Commit]) -> dict[str, str]:
    """Authors by the mailmap of what will run, where it says something else than the commit."""
    named = source.mailmap(repo, commit)
    found = ((each, named(each.author, each.author_email)) for each in commits)
    return {each.sha: name for each, name in found if name != each.author}


def read_notes(uow: UnitOfWork, digest: str) -> Notes:
    """The notes with this digest. Raises NotFound."""
    body = store.load_notes(uow, digest)
    if body is None:
        raise NotFound(f"there are no notes with the digest {digest}")
    return notes_from_json(body)
