"""What runs by itself: looks at repositories when their time has come, or when somebody told of news."""

from __future__ import annotations

import logging

from clearway.kernel import ClearwayError
from clearway.storage import Database
from clearway.workflow import Chore, Flow, Run

from . import service

POLL_S = 5.0
FORGET_S = 3600.0
log = logging.getLogger("clearway.source")


def follow(database: Database, run: Run, repository: str) -> None:
    """Fetch a repository. What fails stands on its page, and is tried again when its time has come."""
    try:
        service.follow(database, repository)
        service.find_commits(database, repository)
        service.check_repository(database, repository)  # reviews may be new where no branch moved
    except ClearwayError as error:
        log.warning("the repository %s cannot be fetched: %s", repository, error)


def check(database: Database, run: Run, repository: str) -> None:
    """Hold the services of a repository against their branches' rules. Who asks later does it again."""
    try:
        service.check_repository(database, repository)
    except ClearwayError as error:
        log.warning("the history of %s cannot be judged: %s", repository, error)


def poll(database: Database) -> None:
    """Start a look at every repository whose time has come."""
    service.poll(database)


def forget(database: Database) -> None:
    """Forget deliveries of long ago."""
    service.forget_deliveries(database)


def forget_trials(database: Database) -> None:
    """Drop the work trees that people sent long ago."""
    service.forget_trials(database)


FLOWS = {service.FOLLOW: Flow(follow), service.CHECK: Flow(check)}
CHORES = (
    Chore("source.poll", POLL_S, poll),
    Chore("source.forget-deliveries", FORGET_S, forget),
    Chore("source.forget-trials", FORGET_S, forget_trials),
)
