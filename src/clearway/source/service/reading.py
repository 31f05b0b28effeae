"""What other rooms ask of the source."""

from __future__ import annotations

from collections.abc import Sequence

from clearway import catalog
from clearway.source import store
from clearway.source.mirrors import Mirrors
from clearway.source.pulls import Merged, PullRequest
from clearway.source.repo import Repo
from clearway.source.service.credentials import git_access
from clearway.source.service.following import record
from clearway.source.tagging import Tag
from clearway.storage import Database, UnitOfWork


def open_repo(uow: UnitOfWork, service: str) -> Repo:
    """The service's repository as it was last fetched. Raises NotFound."""
    return uow.tool(Mirrors).open(repository_of(uow, service))


def make_tag(database: Database, service: str, tag: Tag) -> bool:
    """Make a tag in the service's repository; whether it was still to be made. Outside transactions.

    Raises Conflict when it names another commit, Retry, Permanent.
    """
    with database.read() as uow:
        repository = catalog.repository_of(uow, service)
        began = uow.now()
        access = git_access(uow, repository)
    mirrors = database.tool(Mirrors)
    made = mirrors.tag(repository.name, repository.location, tag, access)
    record(database, repository, mirrors.open(repository.name), began)
    return made


def repository_of(uow: UnitOfWork, service: str) -> str:
    """The name under which facts about the service's repository are kept. Raises NotFound."""
    return catalog.repository_of(uow, service).name


def record_pull_request(uow: UnitOfWork, told: PullRequest) -> bool:
    """Keep what a forge told; older news than what is known change nothing. Whether it was kept."""
    return store.save_pull_request(uow, told)


def pull_request(uow: UnitOfWork, repository: str, number: int) -> PullRequest | None:
    """One pull request, by the name of `repository_of`."""
    return store.pull_request(uow, repository, number)


def pull_requests_of(uow: UnitOfWork, repository: str, shas: Sequence[str]) -> dict[str, list[PullRequest]]:
    """The pull requests that each of these commits belongs to, lowest number first: its own commits before a
    squash, its head, and what the merge left. Commits without one are not in the answer."""
    return store.pull_requests_of(uow, repository, shas)


def merged_pulls(uow: UnitOfWork, repository: str) -> dict[str, list[Merged]]:
    """The same for the whole history of a repository in one query: merged ones, and only what notes read."""
    return store.merged_pulls(uow, repository)


def state(uow: UnitOfWork, repository: str) -> store.FollowState | None:
    """How far a repository is known; None before anybody looked."""
    return store.state(uow, repository)


def states(uow: UnitOfWork) -> dict[str, store.FollowState]:
    """How far every repository is known, by name."""
    return store.all_states(uow)
