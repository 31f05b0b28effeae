"""Builds that nobody asked for: of what came to a service's branch, and of its version tags.

Rules:
1. The event only queues a look; the history is read outside its transaction.
2. Of several commits that came at once the last is built: it holds the others.
3. A commit that changed nothing below the service's folder, or that a build is of already, is left alone.
"""

from __future__ import annotations

from clearway import catalog, source, workflow
from clearway.kernel import SYSTEM, ClearwayError, digest_of
from clearway.source import HistoryMoved
from clearway.storage import Database, UnitOfWork
from clearway.workflow import Flow, Run

from . import store
from .model import version_of_tag
from .service import request

LOOK = "build.pushed"


def on_history_moved(uow: UnitOfWork, happened: HistoryMoved) -> None:
    """Queue a look for every service of the repository that is built when pushed."""
    for each in catalog.services(uow):
        if each.builds != "pushed" or catalog.repository_of(uow, each.name).name != happened.repository:
            continue
        for move in happened.moves:
            if move.kind == "deleted" or not _is_meant(each, move.ref):
                continue
            args = {"service": each.name, "ref": move.ref, "old": move.old, "new": move.new}
            workflow.start(uow, LOOK, f"{LOOK}.{digest_of(args)[-24:]}", args)


def _is_meant(known: catalog.Service, ref: str) -> bool:
    if ref == f"refs/heads/{known.branch}":
        return True
    tag = ref.removeprefix("refs/tags/")
    return tag != ref and version_of_tag(tag, known.versioning) is not None


def look(database: Database, run: Run, service: str, ref: str, old: str | None, new: str) -> None:
    """Flow `build.pushed`."""
    with database.read() as uow:
        known = next((each for each in catalog.services(uow) if each.name == service), None)
        repo = source.open_repo(uow, service) if known else None
    if known is None or repo is None:
        return
    try:
        sha = source.resolve(repo, ref)
    except ClearwayError:
        return  # it moved on, or went; that move has a look of its own
    if not ref.startswith("refs/tags/") and not _touches(repo, known.path, old, sha):
        return
    with database.begin() as uow:
        if ref.startswith("refs/tags/") or not store.built(uow, service, sha):
            request(uow, SYSTEM, service, ref if ref.startswith("refs/tags/") else sha)


def _touches(repo: source.Repo, path: str, old: str | None, new: str) -> bool:
    if path in (".", "") or old is None or not repo.holds(old):
        return True
    return repo.entry(old, path) != repo.entry(new, path)


FLOWS = {LOOK: Flow(look, queue="runs")}
