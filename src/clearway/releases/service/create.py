"""Making a release of a build."""

from __future__ import annotations

import re
from typing import Any

from clearway import access, build, catalog, changes, ledger, source
from clearway.kernel import Actor, Conflict, Invalid, NotFound, digest_of, new_id
from clearway.releases import store
from clearway.releases.events import ReleaseCreated
from clearway.releases.model import ArtifactRef, Release, manifest_of
from clearway.releases.service.planning import change_set, environment_digest, policy_digest
from clearway.storage import UnitOfWork


def create(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    *,
    build_id: str | None = None,
    version: str | None = None,
) -> Release:
    """The release of a build: of this one, or of the last one of this version that succeeded.

    The same content again is the same release. Raises Conflict when the version exists with other content.
    """
    access.require(uow, actor, "release:create", service=service)
    built = find_build(uow, service, build_id, version)
    if built.commit is None or built.version is None:
        raise Conflict(f"build {built.id} names no commit or no version")
    definition = definition_at(uow, service, built.commit)
    held = _artifacts(built)
    content: dict[str, Any] = {
        "service": service,
        "version": built.version,
        "commit": built.commit,
        "artifacts": held,
        "definition": definition,
    }
    content_digest = digest_of(manifest_of(**content))
    if known := store.release_by(uow, service=service, version=built.version):
        return _same(known, content_digest, content)
    release = _make(uow, actor, built.id, content, content_digest)
    store.add_release(uow, release)
    ledger.append(
        uow,
        actor,
        "release.created",
        f"release:{release.id}",
        digest=release.digest,
        data={
            "service": service,
            "version": release.version,
            "commit": release.commit,
            "build": release.build_id,
            "bundle": release.bundle_digest,
            "notes": release.notes_digest,
        },
    )
    uow.publish(ReleaseCreated(release.id, service, release.version, release.digest))
    return release


def _make(
    uow: UnitOfWork, actor: Actor, build_id: str, content: dict[str, Any], content_digest: str
) -> Release:
    service, version, commit = content["service"], content["version"], content["commit"]
    route = catalog.route_of(uow, service)
    runs, since = runs_at_the_end(uow, service)
    notes = changes.release_notes(uow, service, version, commit, definition=content["definition"], **since)
    stops = [catalog.environment(uow, name) for name in route.environments]
    policy = digest_of([[each.name, environment_digest(each), policy_digest(each)] for each in stops])
    authors = change_set(uow, service, runs.commit if runs else None, commit).authors
    definition = content["definition"]
    return Release(
        id=new_id("rel"),
        service=service,
        version=version,
        digest=digest_of(manifest_of(**content, policy=policy, notes=notes.digest)),
        content_digest=content_digest,
        commit=commit,
        artifacts=content["artifacts"],
        bundle_digest=_bundle(content["artifacts"]),
        definition=definition,
        config_schema_digest=digest_of(definition.get("config", {})),
        policy_digest=policy,
        notes_digest=notes.digest,
        build_id=build_id,
        created_by=actor.name,
        authors=authors,
        at=uow.now(),
        since_version=runs.version if runs else None,
        since_commit=runs.commit if runs else None,
    )


def runs_at_the_end(uow: UnitOfWork, service: str) -> tuple[Release | None, dict[str, Any]]:
    """The release at the end of the route, and since what the notes tell."""
    last = store.place(uow, service, catalog.route_of(uow, service).environments[-1])
    runs = store.release_by(uow, digest=last.release_digest) if last and last.release_digest else None
    if runs is None:
        return None, {}
    since = {"since_version": runs.version, "since_commit": runs.commit}
    return runs, {**since, "since_definition": runs.definition}


def find_build(uow: UnitOfWork, service: str, build_id: str | None, version: str | None) -> build.Build:
    """The build that a release is made of. Raises NotFound, Invalid, Conflict."""
    if build_id is not None:
        found = build.get(uow, build_id)
    elif version is not None:
        found = _build_of(uow, service, version)
    else:
        raise Invalid("neither a build nor a version is named", expected="one of them")
    if found.service != service:
        raise Invalid(f"build {found.id} is of {found.service}", expected=f"a build of {service}")
    if found.status != "succeeded":
        raise Conflict(
            f"build {found.id} is {found.status}; a release needs one that succeeded",
            todo="Look at its log, and build again.",
        )
    if found.trial:
        raise Conflict(
            f"build {found.id} is of a work tree: nobody else can have its commit",
            todo="Push the commit and build it, then release that.",
        )
    return found


def _build_of(uow: UnitOfWork, service: str, version: str) -> build.Build:
    """The newest build of a version that succeeded. Raises NotFound, naming the version that did."""
    for each in build.list(uow, service=service, version=version, status="succeeded", limit=20).items:
        if not each.trial:
            return each
    others = build.list(uow, service=service, status="succeeded", limit=1).items
    todo = _other_way(version, others[0]) if others else "Build it first."
    raise NotFound(f"no build of {service} {version} succeeded", todo=todo)


def _other_way(version: str, newest: build.Build) -> str:
    """What to release instead. A version is a tag of its commit, else it carries the commit's mark."""
    commit = (newest.commit or "")[:12]
    todo = f"The newest that succeeded is {newest.version} (commit {commit}): release that"
    if not re.fullmatch(r"\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]+)?", version):
        return f"{todo}, or build the commit of {version}."
    untagged = (newest.version or "").endswith(f"+g{commit[:8]}")
    where = commit if untagged else "COMMIT"
    return f"{todo}, or name a commit {version} with `git tag v{version} {where}`, and build it again."


def definition_at(uow: UnitOfWork, service: str, commit: str) -> dict[str, Any]:
    """clearway.yaml at the commit, as JSON: with every default written out."""
    folder = catalog.service(uow, service).path
    path = f"{folder}/clearway.yaml" if folder != "." else "clearway.yaml"
    text = source.read_file(source.open_repo(uow, service), commit, path)
    definition = catalog.load_definition(text, f"{path} at {commit[:10]}")
    if definition.service != service:
        raise Invalid(
            f"{path} at {commit[:10]} is of the service {definition.service}", expected=f"service: {service}"
        )
    return definition.model_dump(mode="json")


def _artifacts(built: build.Build) -> tuple[ArtifactRef, ...]:
    found = {
        (each.name, each.digest): ArtifactRef(each.digest, each.name, each.type, each.size)
        for each in built.artifacts
    }
    if not found:
        raise Conflict(f"build {built.id} has no artifacts", expected="at least one")
    return tuple(found[key] for key in sorted(found))


def _bundle(held: tuple[ArtifactRef, ...]) -> str:
    """What is deployed: the bundle, or the first artifact of a build that makes none."""
    return next((each.digest for each in held if each.type == "bundle"), held[0].digest)


def _same(known: Release, content_digest: str, content: dict[str, Any]) -> Release:
    if known.content_digest == content_digest:
        return known
    kept: dict[str, Any] = {
        "service": known.service,
        "version": known.version,
        "commit": known.commit,
        "artifacts": known.artifacts,
        "definition": known.definition,
    }
    before, after = manifest_of(**kept), manifest_of(**content)
    other = sorted(key for key in before if before[key] != after[key])
    raise Conflict(
        f"{known.service} {known.version} exists with other content ({', '.join(other)}); "
        "a release never changes",
        todo="Give the new content a version of its own.",
        detail={"release": known.id, "digest": known.digest, "differs": other},
    )
