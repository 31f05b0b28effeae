"""What other rooms ask of the source."""

from __future__ import annotations

from clearway import catalog
from clearway.storage import Database, UnitOfWork

from .mirrors import Mirrors
from .repo import Repo


def sync(database: Database, service: str) -> Repo:
    """Fetch the service's repository now. Talks to the world: call it outside transactions."""
    with database.read() as uow:
        location = catalog.service(uow, service).repository
    return database.tool(Mirrors).sync(service, location)


def open_repo(uow: UnitOfWork, service: str) -> Repo:
    """The service's repository as it was last fetched. Raises NotFound."""
    return uow.tool(Mirrors).open(service)
