"""Release notes from git: made at release time, kept under their digest."""

from __future__ import annotations

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
    repo = uow.tool(source.Mirrors).open(service)
    commits = source.commits_between(repo, [since_commit] if since_commit else [], commit)
    notes = make_notes(
        service, version, commit, commits, since_version=since_version, since_commit=since_commit
    )
    store.save_notes(uow, notes.digest, notes.to_json())
    return notes


def read_notes(uow: UnitOfWork, digest: str) -> Notes:
    """The notes with this digest. Raises NotFound."""
    body = store.load_notes(uow, digest)
    if body is None:
        raise NotFound(f"there are no notes with the digest {digest}")
    return notes_from_json(body)
