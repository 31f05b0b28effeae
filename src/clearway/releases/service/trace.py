"""From anything that runs or was made back to who wrote it, who approved it, and what proves it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clearway import artifacts, catalog, deploy, ledger, source
from clearway.kernel import ClearwayError, Conflict, NotFound, is_digest
from clearway.releases import rollouts, store
from clearway.releases.model import Promotion, Release
from clearway.storage import UnitOfWork

_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
_PLACES = 100


@dataclass(frozen=True)
class Link:
    """One link of the chain."""

    kind: str  # instance, deployment, promotion, plan, approval, release, build, evidence, artifact, ...
    id: str
    text: str
    digest: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    ledger: tuple[int, ...] = ()  # indices of the entries about it

    def to_json(self) -> dict[str, Any]:
        """The link as JSON values."""
        return {**self.__dict__, "data": dict(self.data), "ledger": list(self.ledger)}


@dataclass(frozen=True)
class Trace:
    """The chain of one subject, from what runs to who wrote it."""

    subject: str
    links: tuple[Link, ...]

    def of(self, kind: str) -> tuple[Link, ...]:
        """The links of one kind."""
        return tuple(link for link in self.links if link.kind == kind)

    def to_json(self) -> dict[str, Any]:
        """The trace as JSON values."""
        return {"subject": self.subject, "links": [link.to_json() for link in self.links]}


@dataclass(frozen=True)
class _Found:
    release: Release
    promotion: Promotion | None = None
    instance: Mapping[str, Any] | None = None
    artifact: str | None = None  # the digest that was asked about, when it is not the bundle


def trace(uow: UnitOfWork, subject: str) -> Trace:
    """The chain from an instance id, `pid:N`, deployment, promotion, release, build, digest, commit, or
    version (`shop@1.1.0`, or `1.1.0` where only one service has it).

    Raises NotFound when nobody knows the subject, Conflict when it may mean several things.
    """
    found = _find(uow, subject.strip())
    if found.promotion is None:
        found = replace(found, promotion=_latest(uow, found.release))
    links = tuple(_links(uow, found))
    return Trace(subject, links)


def _find(uow: UnitOfWork, subject: str) -> _Found:
    prefix = subject.split("_")[0] if "_" in subject else ""
    if prefix == "prm" and (promotion := store.promotion(uow, subject)):
        return _of_promotion(uow, promotion)
    if prefix == "rel" and (release := store.release_by(uow, id=subject)):
        return _Found(release)
    if prefix == "bld" and (release := store.release_by(uow, build_id=subject)):
        return _Found(release)
    if promotion := store.promotion_of_deployment(uow, subject):
        return _of_promotion(uow, promotion)
    for finder in (_by_digest, _by_commit, _by_version, _by_instance):
        if found := finder(uow, subject):
            return found
    raise NotFound(
        f"nothing here is called {subject[:100]}",
        expected="an instance, pid:N, deployment, promotion, release, build, digest, commit, service@version",
    )


def _by_digest(uow: UnitOfWork, subject: str) -> _Found | None:
    digest = subject if subject.startswith("sha256:") else f"sha256:{subject}"
    if not is_digest(digest):
        return None
    if release := store.release_by(uow, digest=digest):
        return _Found(release)
    if holding := store.releases_holding(uow, digest, 1):
        return _Found(holding[0], artifact=digest)
    if promotion := store.promotion_by_plan(uow, digest):
        return _of_promotion(uow, promotion)
    return None


def _by_commit(uow: UnitOfWork, subject: str) -> _Found | None:
    if not _COMMIT.match(subject):
        return None
    found = store.releases_starting(uow, "commit", subject)
    if len({each.commit for each in found}) > 1:
        raise Conflict(f"{subject} may mean several commits", expected="more of its digits")
    return _Found(found[0]) if found else None


def _by_version(uow: UnitOfWork, subject: str) -> _Found | None:
    service, at, version = subject.rpartition("@")
    if at:
        release = store.release_by(uow, service=service, version=version)
        return _Found(release) if release else None
    found = store.release_page(uow, {"version": subject}, None, 20)
    if len({each.service for each in found}) > 1:
        names = ", ".join(sorted(f"{each.service}@{subject}" for each in found))
        raise Conflict(f"several services have a {subject}", expected=names)
    return _Found(found[0]) if found else None


def _by_instance(uow: UnitOfWork, subject: str) -> _Found | None:
    instance = deploy.find_instance(uow, subject)
    if instance is None and subject.startswith("pid:"):
        live = (each for runs in deploy.running(uow) for each in runs.instances)
        instance = next((each for each in live if str(each.pid) == subject.removeprefix("pid:")), None)
    release = store.release_by(uow, digest=instance.release_digest) if instance else None
    if instance is None or release is None:
        return None
    promotion = store.promotion_of_deployment(uow, instance.deployment_id)
    return _Found(release, promotion, rollouts.shown(instance))


def _of_promotion(uow: UnitOfWork, promotion: Promotion) -> _Found:
    release = store.release_by(uow, id=promotion.release_id)
    if release is None:
        raise NotFound(f"promotion {promotion.id} has lost its release")
    return _Found(release, promotion)


def _latest(uow: UnitOfWork, release: Release) -> Promotion | None:
    """The release's promotion that matters most: the furthest stop where it did well, else the last one."""
    equal = {"release_id": release.id}
    order = {each.name: each.order for each in catalog.environments(uow)}
    if good := store.promotion_page(uow, equal, ["succeeded"], None, 20):
        return max(good, key=lambda each: (order.get(each.environment, -1), each.id))
    found = store.promotion_page(uow, equal, None, None, 1)
    return found[0] if found else None


def _links(uow: UnitOfWork, found: _Found) -> Iterator[Link]:
    release, promotion = found.release, found.promotion
    if found.instance:
        yield _instance(found.instance, promotion)
    if promotion:
        yield from _promotion(uow, promotion)
    yield Link(
        "release",
        release.id,
        f"{release.service} {release.version} ({release.digest[:19]}…), made by {release.created_by}",
        release.digest,
        {"notes": release.notes_digest, "at": release.at.isoformat()},
        _entries(uow, f"release:{release.id}"),
    )
    yield Link(
        "build",
        release.build_id,
        f"build {release.build_id}",
        None,
        {},
        _entries(uow, f"build:{release.build_id}"),
    )
    yield from _evidence(uow, release)
    yield from _artifacts(uow, release, found.artifact)
    yield from _commit(uow, release)


def _instance(instance: Mapping[str, Any], promotion: Promotion | None) -> Link:
    where = f" in {promotion.environment}" if promotion else ""
    name = str(instance.get("id"))
    pid = f", process {instance['pid']}" if instance.get("pid") else ""
    return Link("instance", name, f"{name}{pid}{where}", None, dict(instance))


def _promotion(uow: UnitOfWork, promotion: Promotion) -> Iterator[Link]:
    subject = f"promotion:{promotion.id}"
    if promotion.deployment_id:
        yield Link(
            "deployment",
            promotion.deployment_id,
            f"{promotion.deployment_id} to {promotion.environment}: {promotion.state}",
            None,
            {},
            _entries(uow, f"deployment:{promotion.deployment_id}"),
        )
    yield Link(
        "promotion",
        promotion.id,
        f"{promotion.version} to {promotion.environment}: {promotion.state}; "
        f"asked for by {promotion.requested_by}: {promotion.reason}",
        None,
        {"environment": promotion.environment, "state": promotion.state, "kind": promotion.kind},
        _entries(uow, subject),
    )
    steps = promotion.plan["content"]["steps"]
    yield Link(
        "plan", promotion.plan_hash, f"{promotion.plan_hash[:19]}…, {len(steps)} steps", promotion.plan_hash
    )
    for approval in promotion.approvals:
        standing = "" if approval.counts else f" (void: {approval.void_reason})"
        yield Link(
            "approval",
            approval.id,
            f"{approval.actor}: {approval.meaning}{standing}",
            approval.plan_hash,
            approval.to_json(),
            _entries(uow, subject, "promotion.approved", approval.actor),
        )


def _evidence(uow: UnitOfWork, release: Release) -> Iterator[Link]:
    for each in artifacts.evidence_of(uow, [release.bundle_digest, release.digest]):
        short = each.predicate_type.removeprefix("https://")
        yield Link(
            "evidence",
            each.id,
            f"{short} about {each.subject_digest[:19]}…",
            each.subject_digest,
            {"predicate_type": each.predicate_type, "at": each.at.isoformat()},
        )


def _artifacts(uow: UnitOfWork, release: Release, asked: str | None) -> Iterator[Link]:
    shown = {release.bundle_digest, asked}
    for each in release.artifacts:
        if each.digest in shown:
            subject = f"artifact:{each.digest.replace(':', '.')}"
            data = {"name": each.name, "type": each.type, "size": each.size}
            yield Link(
                "artifact",
                each.digest,
                f"{each.name} ({each.digest[:19]}…)",
                each.digest,
                data,
                _entries(uow, subject),
            )


def _commit(uow: UnitOfWork, release: Release) -> Iterator[Link]:
    try:
        commit = source.commit(source.open_repo(uow, release.service), release.commit)
    except ClearwayError as error:  # the chain is worth reading without git
        yield Link("commit", release.commit, f"{release.commit[:10]} ({error.message})")
        return
    yield Link(
        "commit",
        commit.sha,
        f"{commit.sha[:10]} {commit.subject}",
        None,
        {"authored_at": commit.authored_at.isoformat(), "parents": list(commit.parents)},
    )
    yield Link("author", commit.author_email or commit.author, f"{commit.author} <{commit.author_email}>")


def _entries(
    uow: UnitOfWork, subject: str, prefix: str | None = None, actor: str | None = None
) -> tuple[int, ...]:
    page = ledger.entries(uow, subject=subject, action_prefix=prefix, actor=actor, limit=_PLACES)
    return tuple(each.index for each in page.items)
