"""Release notes from git: made at release time, kept under their digest."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from clearway import source
from clearway.changes import store
from clearway.changes.notes import Notes, make_notes, notes_from_json
from clearway.kernel import NotFound
from clearway.storage import UnitOfWork


def release_notes(
    uow: UnitOfWork,
    service: str,
    version: str,
    commit: str,
    *,
    since_version: str | None = None,
    since_commit: str | None = None,
) -> Notes:
    """The notes of what is in `commit` and not in what runs; kept under their digest."""
    notes = draft_notes(uow, service, version, commit, since_version=since_version, since_commit=since_commit)
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
) -> Notes:
    """The same, kept nowhere but in this process, so that the walk can come before the write."""
    mirror = uow.tool(source.Mirrors).open(service).path
    return _draft(mirror, service, version, commit, since_version, since_commit)


@lru_cache(maxsize=64)
def _draft(
    mirror: Path, service: str, version: str, commit: str, since_version: str | None, since_commit: str | None
) -> Notes:
    # Commits never change, so neither do the notes of what lies between two of them.
    commits = source.commits_between(source.Repo(mirror), [since_commit] if since_commit else [], commit)
    return make_notes(
        service, version, commit, commits, since_version=since_version, since_commit=since_commit
    )


def read_notes(uow: UnitOfWork, digest: str) -> Notes:
    """The notes with this digest. Raises NotFound."""
    body = store.load_notes(uow, digest)
    if body is None:
        raise NotFound(f"there are no notes with the digest {digest}")
    return notes_from_json(body)
