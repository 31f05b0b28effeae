"""What other rooms ask of the source."""

from __future__ import annotations

from collections.abc import Sequence

from clearway import catalog
from clearway.storage import Database, UnitOfWork

from . import store
from .mirrors import Mirrors
from .pulls import PullRequest
from .repo import Repo
from .tagging import Tag


def sync(database: Database, service: str) -> Repo:
    """Fetch the service's repository now. Talks to the world: call it outside transactions."""
    with database.read() as uow:
        location = catalog.service(uow, service).repository
    return database.tool(Mirrors).sync(service, location)


def open_repo(uow: UnitOfWork, service: str) -> Repo:
    """The service's repository as it was last fetched. Raises NotFound."""
    return uow.tool(Mirrors).open(service)


def make_tag(database: Database, service: str, tag: Tag) -> bool:
    """Make a tag in the service's repository; whether it was still to be made. Outside transactions.

    Raises Conflict when it names another commit, Retry, Permanent.
    """
    with database.read() as uow:
        location = catalog.service(uow, service).repository
    return database.tool(Mirrors).tag(service, location, tag)


def repository_of(uow: UnitOfWork, service: str) -> str:
    """The name under which facts about the service's repository are kept. Raises NotFound."""
    return catalog.service(uow, service).name


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
