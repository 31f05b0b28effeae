"""Which commits a version is made of, from the releases and the git mirrors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from clearway import releases, source
from clearway.kernel import NotFound
from clearway.storage import UnitOfWork


class ReleaseHistory:
    """See metrics' port History."""

    def commit_of(self, uow: UnitOfWork, service: str, version: str) -> str | None:
        """See History."""
        try:
            return releases.release(uow, service, version).commit
        except NotFound:
            return None

    def commits(
        self, uow: UnitOfWork, service: str, exclude: Sequence[str], include: str
    ) -> list[tuple[str, datetime]]:
        """See History."""
        repo = source.open_repo(uow, service)
        return [(each.sha, each.committed_at) for each in source.commits_between(repo, exclude, include)]
