"""Work trees that people want built before they push: commits of their own, beside the branches.

Rules:
1. A trial is a reference of its own kind: no branch, no tag, nothing that history is judged or released by.
2. What is sent is a git bundle of one commit; its objects are checked like those of any repository.
3. A trial goes after a week; so does what only it held, when the mirror is cleaned.
"""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

from clearway import access, catalog
from clearway.kernel import Actor, Invalid, Permanent, Retry
from clearway.source.mirrors import TRIALS, Mirrors
from clearway.source.service.following import sync
from clearway.storage import Database, UnitOfWork

KEPT = timedelta(days=7)
SENT = "refs/clearway/trial"  # what the bundle calls its commit
_HEADS = ("# v2 git bundle\n", "# v3 git bundle\n")


def heads(database: Database, actor: Actor, service: str) -> list[str]:
    """The commits that the server has as tips of branches: a bundle need not bring what they reach."""
    with database.read() as uow:
        access.require(uow, actor, "build:run", service=service)
    repo = sync(database, service)
    found = (repo.reference(name) for name in repo.references() if name.startswith("refs/heads/"))
    return sorted({sha for sha in found if sha})


def take_trial(database: Database, actor: Actor, service: str, bundle: bytes) -> str:
    """Keep the commit of a bundle; the reference under which it can be built. Outside transactions.

    Raises Refused, NotFound for the service, Invalid for what is no bundle of one commit.
    """
    with database.read() as uow:
        access.require(uow, actor, "build:run", service=service)
        repository = catalog.repository_of(uow, service)
        began = int(uow.now().timestamp())
    if not bundle.startswith(tuple(each.encode() for each in _HEADS)):
        raise Invalid("this is no git bundle", expected=f"git bundle create - {SENT}")
    mirrors = database.tool(Mirrors)
    descriptor, name = tempfile.mkstemp(dir=mirrors.root, suffix=".bundle")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(bundle)
        return mirrors.take(repository.name, Path(name), SENT, began)
    except (Permanent, Retry) as error:
        if "disk" in error.message:
            raise
        raise Invalid(  # a file that was just written is not away: what git calls so is cut off
            f"the bundle cannot be taken: {error.message}",
            todo="Fetch the service's branch into your work tree, and send it again.",
        ) from error
    finally:
        os.unlink(name)


def forget_trials(database: Database) -> None:
    """A chore: drop the trials of long ago."""
    with database.read() as uow:
        names = _repositories(uow)
        oldest = int((uow.now() - KEPT).timestamp())
    mirrors = database.tool(Mirrors)
    for name in names:
        mirrors.forget(name, oldest)


def _repositories(uow: UnitOfWork) -> list[str]:
    return sorted({each.name for each in catalog.repositories_of_services(uow).values()})


__all__ = ["TRIALS", "forget_trials", "heads", "take_trial"]
