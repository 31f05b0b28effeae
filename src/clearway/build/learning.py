"""What is known of a build before anything runs: its commit, its definition, its version."""

from __future__ import annotations

from clearway import catalog, source
from clearway.kernel import NotFound

from .versions import version_at
from .work import Facts, Work, read_definition


def learn(work: Work) -> tuple[Facts, source.Commit]:
    """Fetch the repository and look. Writes nothing.

    Raises what the source room raises, and NotFound.
    """
    build = work.build
    with work.database.read() as uow:
        known = catalog.service(uow, build.service)
        location = catalog.repository_of(uow, build.service).location
    repo = source.sync(work.database, build.service, since=build.queued_at)
    sha = source.resolve(repo, build.ref)
    commit = source.commit(repo, sha)
    definition = work.known_definition = read_definition(repo, sha, known.path, build.service)
    facts = Facts(
        commit=sha,
        epoch=max(int(commit.committed_at.timestamp()), 315532800),  # archives cannot say less than 1980
        path=known.path,
        repository=source.public_location(location),
        version=version_at(repo, known, definition, sha, build.ref),
        recipe=definition.build.recipe,
        twice=build.twice,
        tree=repo.entry(sha, ".") or "",
        landed=_landed(repo, known.branch, sha),
    )
    return facts, commit


def _landed(repo: source.Repo, branch: str, sha: str) -> bool:
    try:
        return bool(source.reached(repo, source.resolve(repo, f"refs/heads/{branch}"), [sha]))
    except NotFound:
        return False
