"""Finding the way back: which run is restored, with which order, and what stands against it."""

from __future__ import annotations

from clearway import config, deploy
from clearway.releases import store
from clearway.releases.back import in_words, trail, unread, written_since
from clearway.releases.model import Head, Release
from clearway.storage import Blobs, UnitOfWork

HISTORY = 200
REACHED = ("succeeded", "rolled-back", "failed")


def history_of(uow: UnitOfWork, service: str, environment: str) -> list[Head]:
    """Everything that may have reached the place."""
    return store.at_place(uow, service, environment, REACHED, HISTORY)


def landing(uow: UnitOfWork, history: list[Head], digest: str | None = None) -> Head | None:
    """The run that a rollback restores: the last one before what runs now, or the last one of a release.

    Of the release that runs now only a run with another configuration counts.
    """
    runs, *before = trail(history) or (None,)
    if runs is None:
        return None
    for each in before:
        if digest is not None and each.release_digest != digest:
            continue
        if each.release_digest != runs.release_digest or _config_of(uow, each) != _config_of(uow, runs):
            return each
    return None


def restored(
    uow: UnitOfWork, release: Release, environment: str, schema: config.ConfigSchema
) -> tuple[config.Resolved, tuple[str, ...]]:
    """The configuration with which the release comes back, and why it cannot; asked before each start."""
    history = history_of(uow, release.service, environment)
    head = landing(uow, history, release.digest)
    order = order_of(uow, head.deployment_id) if head else None
    if head is None or order is None:
        now = config.resolve(uow, release.service, environment, schema)
        return now, (f"{release.version} did not run well in {environment} before what runs now",)
    since = store.releases_by_digest(uow, written_since(history, head))
    writer = unread(release, since.values())
    problems = (in_words(release, writer),) if writer else ()
    return config.Resolved.from_json(order.config), problems + obstacles(uow, release, order)


def obstacles(uow: UnitOfWork, release: Release, order: deploy.Order) -> tuple[str, ...]:
    """Why a release could not run again as it did: secrets or bytes that are gone."""
    wrong = config.unreadable(uow, config.Resolved.from_json(order.config)) if order.config else ()
    found = [f"configuration {each.key} {each.message}" for each in wrong]
    return tuple(found) + (
        () if _stored(uow, release) else (f"the stored bytes of {release.version} are gone",)
    )


def order_of(uow: UnitOfWork, deployment_id: str | None) -> deploy.Order | None:
    """What a deployment was asked to do."""
    return deploy.deployment(uow, deployment_id).order if deployment_id else None


def _config_of(uow: UnitOfWork, head: Head) -> str:
    order = order_of(uow, head.deployment_id)
    return order.config_digest if order else ""


def _stored(uow: UnitOfWork, release: Release) -> bool:
    """Whether the bytes are there, in their length; whether they are the right ones is asked on starting."""
    if not uow.has_tool(Blobs):
        return True
    blobs = uow.tool(Blobs)
    if not blobs.exists(release.bundle_digest):
        return False
    sizes = {each.digest: each.size for each in release.artifacts}
    return blobs.path(release.bundle_digest).stat().st_size == sizes.get(release.bundle_digest)
