"""Notes between any two points of a service's history, before anybody promotes anything."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearway import access, catalog, changes, source
from clearway.changes import Notes
from clearway.kernel import Actor, ClearwayError, Conflict
from clearway.releases import store
from clearway.releases.service.create import definition_at
from clearway.releases.service.planning import running_release
from clearway.storage import UnitOfWork


@dataclass(frozen=True)
class _Point:
    label: str  # a version, or what was asked for
    commit: str
    definition: Mapping[str, Any] | None


def compare(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    to: str = "",
    *,
    since: str = "",
    environment: str = "",
) -> Notes:
    """What `to` brings (the service's branch when empty) over `since`, or over what runs in an environment.

    Both are releases' versions, tags, branches or commits. Raises Refused, NotFound, Invalid, Conflict.
    """
    known = catalog.service(uow, service)
    there = _point(uow, service, to or known.branch)
    here: _Point | None = None
    if environment:
        if since:
            raise Conflict("both a version and an environment to compare with", todo="Name one of them.")
        catalog.environment(uow, environment)
        access.require(uow, actor, "deployment:read", service=service, environment=environment)
        runs = running_release(uow, service, environment)
        here = _Point(runs.version, runs.commit, runs.definition) if runs else None
    elif since:
        here = _point(uow, service, since)
    return changes.draft_notes(
        uow,
        service,
        there.label,
        there.commit,
        since_version=here.label if here else None,
        since_commit=here.commit if here else None,
        definition=there.definition,
        since_definition=here.definition if here else None,
    )


def brings(uow: UnitOfWork, service: str, version: str, replaces: str | None) -> Notes | None:
    """What a release brings, and takes away, where another one runs (by its digest; None: nothing does).

    None when the history cannot be read: whoever shows it does without.
    """
    there = store.release_by(uow, service=service, version=version)
    here = store.release_by(uow, digest=replaces) if replaces else None
    if there is None or (replaces and here is None):
        return None
    with contextlib.suppress(ClearwayError):
        return changes.draft_notes(
            uow,
            service,
            there.version,
            there.commit,
            since_version=here.version if here else None,
            since_commit=here.commit if here else None,
            definition=there.definition,
            since_definition=here.definition if here else None,
        )
    return None


def _point(uow: UnitOfWork, service: str, name: str) -> _Point:
    release = store.release_by(uow, service=service, version=name)
    if release is not None:
        return _Point(release.version, release.commit, release.definition)
    commit = source.resolve(source.open_repo(uow, service), name)
    definition = None
    with contextlib.suppress(ClearwayError):  # a commit before clearway.yaml, or with a broken one
        definition = definition_at(uow, service, commit)
    return _Point(name, commit, definition)
