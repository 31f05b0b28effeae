"""Which changes a version is made of: from the releases, the git mirrors and the pull requests."""

from __future__ import annotations

from collections.abc import Sequence

from clearway import catalog, changes, releases, source
from clearway.kernel import ClearwayError, NotFound
from clearway.metrics.ports import Arrived
from clearway.storage import UnitOfWork

MOST_AHEAD = 2000  # commits of the service's branch among which the originals of cherry-picks are looked for


class ReleaseHistory:
    """See metrics' port History."""

    def commit_of(self, uow: UnitOfWork, service: str, version: str) -> str | None:
        """See History."""
        try:
            return releases.release(uow, service, version).commit
        except NotFound:
            return None

    def arrived(self, uow: UnitOfWork, service: str, exclude: Sequence[str], include: str) -> Arrived:
        """See History."""
        known = catalog.service(uow, service)
        repo = source.open_repo(uow, service)
        new = _own(repo, known, source.commits_between(repo, exclude, include))
        found, left_out = changes.arrivals(
            include, new, _known(uow, repo, known, new, exclude, include), repo.is_behind
        )
        return Arrived(
            tuple((each.sha, each.committed_at, each.merged_at, each.how) for each in found), left_out
        )


def _known(
    uow: UnitOfWork,
    repo: source.Repo,
    known: catalog.Service,
    new: list[source.Commit],
    exclude: Sequence[str],
    include: str,
) -> changes.KnownArrival:
    ran = source.history(repo, [sha for sha in exclude if repo.holds(sha)], without=[include])
    ahead = _ahead(repo, known, include)
    name = source.repository_of(uow, known.name)
    pulls = source.pull_requests_of(uow, name, [each.sha for each in new])
    merged = {sha: [one for one in some if one.state == "merged"] for sha, some in pulls.items()}
    wanted = {sha for some in merged.values() for one in some for sha in one.commits}
    here = {each.sha for each in new}
    originals = {sha: source.commit(repo, sha) for sha in wanted - here if repo.holds(sha)}
    twins = ran or ahead or originals or any(len(each.parents) > 1 for each in new)
    patches = source.patch_ids(repo, [*new, *ran, *ahead, *originals.values()]) if twins else {}
    return changes.KnownArrival(patches, ran, ahead, merged, originals)


def _ahead(repo: source.Repo, known: catalog.Service, include: str) -> list[source.Commit]:
    try:
        tip = source.resolve(repo, known.branch)
    except ClearwayError:
        return []
    if repo.is_behind(include, tip):
        return []  # the release is of the branch itself: nothing in it was picked from further on
    return source.commits_between(repo, [include], tip)[:MOST_AHEAD]


def _own(repo: source.Repo, known: catalog.Service, commits: list[source.Commit]) -> list[source.Commit]:
    """The commits that are the service's: all, or those that touch its folders in a shared repository."""
    include = known.versioning.include if known.versioning else ()
    if known.path == "." and not include:
        return commits
    return source.touched(repo, commits, (known.path, *include))
