"""Asking for reproductions, and what they came to."""

from __future__ import annotations

from typing import Any

from clearway import access, ledger, workflow
from clearway.build import service as builds
from clearway.build.model import Build
from clearway.kernel import Actor, Invalid, NotFound, new_id
from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

from . import store
from .model import Reproduction, Score, score
from .recorded import NotRecorded, build_of

RUN = "build.reproduce"
SHOWN = 60  # builds in the score's picture


def request(
    uow: UnitOfWork,
    actor: Actor,
    *,
    digest: str | None = None,
    service: str | None = None,
    version: str | None = None,
    build_id: str | None = None,
) -> Reproduction:
    """Queue the rebuild of an artifact: by digest, or the first one of a build, or of a service's version.

    The one that is under way already is given back. Raises Refused, NotFound, NotRecorded.
    """
    if digest is not None:
        artifact, build = build_of(uow, digest)
    else:
        build = _named(uow, service, version, build_id)
        if not build.artifacts:
            raise NotRecorded(f"build {build.id} {build.status} and made no artifacts")
        artifact = build.artifacts[0]
    access.require(uow, actor, "build:run", service=build.service)
    if known := store.find_open(uow, build.id, artifact.digest):
        return known
    found = Reproduction(
        id=new_id("rep"),
        digest=artifact.digest,
        artifact=artifact.name,
        build_id=build.id,
        service=build.service,
        version=build.version or "",
        status="queued",
        asked_by=actor.name,
        asked_at=uow.now(),
    )
    store.add(uow, found)
    ledger.append(
        uow,
        actor,
        "reproduction.requested",
        f"build:{build.id}",
        digest=artifact.digest,
        data={"reproduction": found.id, "service": build.service, "version": found.version},
    )
    workflow.start(uow, RUN, found.id, {"reproduction_id": found.id})
    return found


def _named(uow: UnitOfWork, service: str | None, version: str | None, build_id: str | None) -> Build:
    if build_id is not None:
        return builds.get(uow, build_id)
    if service is None:
        raise Invalid("nothing is named to reproduce", expected="a digest, a build, or a service")
    found = newest_build(uow, service, version)
    if found is None:
        what = f"{service} {version}" if version else service
        raise NotFound(f"no build of {what} succeeded here")
    return found


def newest_build(uow: UnitOfWork, service: str, version: str | None = None) -> Build | None:
    """The newest build of a service that succeeded here; of a version, when one is named. No trials."""
    rows = builds.list_(uow, service=service, version=version, status="succeeded", limit=200).items
    return next((each for each in rows if not each.trial and each.external is None), None)


def get(uow: UnitOfWork, identity: str) -> Reproduction:
    """One. Raises NotFound."""
    found = store.find(uow, identity)
    if found is None:
        raise NotFound(f"there is no reproduction {identity}")
    return found


def list_(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    build_id: str | None = None,
    digest: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[Reproduction]:
    """Those that fit, newest first, without their reports."""
    if not 1 <= limit <= 1000:
        raise Invalid(f"a page of {limit} reproductions", expected="1 to 1000")
    cursor = str(decode_cursor(after)) if after else None
    given = {"service": service, "build_id": build_id, "digest": digest}
    found = store.page(uow, {name: value for name, value in given.items() if value}, cursor, limit + 1)
    more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(found[:limit], more)


def score_of(uow: UnitOfWork, service: str) -> Score:
    """How many of a service's newest builds came out bit-identical, now and over time."""
    return score(service, store.marks(uow, service, SHOWN))


def begin(uow: UnitOfWork, identity: str) -> bool:
    """It runs; False when it has ended."""
    return store.change_open(uow, identity, status="running", started_at=uow.now())


def close(uow: UnitOfWork, actor: Actor, identity: str, **values: Any) -> bool:
    """End it in this transaction, with its ledger entry. False when it had ended before."""
    if not store.change_open(uow, identity, finished_at=uow.now(), **values):
        return False
    found = get(uow, identity)
    ledger.append(
        uow,
        actor,
        f"reproduction.{found.status}",
        f"build:{found.build_id}",
        reason=(found.error or "")[:2000],
        digest=found.digest,
        data={
            "reproduction": found.id,
            "service": found.service,
            "version": found.version,
            "verdict": found.verdict,
            "causes": [each["name"] for each in found.report.get("causes", ())],
        },
    )
    return True
