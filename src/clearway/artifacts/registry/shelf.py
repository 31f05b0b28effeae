"""Putting files into a registry, finding them, moving tags, taking files away; each change in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from clearway import ledger
from clearway.catalog import Registry
from clearway.kernel import Actor, Conflict, Invalid, NotFound, new_id
from clearway.storage import Blob, Page, UnitOfWork, decode_cursor, encode_cursor

from . import store
from .model import File, PackageVersion, Tag, Usage
from .permit import require

MOST_FACTS = 4 << 20  # bytes of one file's facts
MOST_PATH = 1000  # characters


def may_push(uow: UnitOfWork, actor: Actor, registry: Registry) -> None:
    """Returns when the actor may push here: asked before a byte is taken. Raises Refused, Invalid."""
    require(uow, actor, registry, "write")
    if registry.mode == "group":
        raise Invalid(
            f"{registry.name} is a group and holds nothing itself",
            todo=f"Push to one of its members: {', '.join(registry.members)}.",
        )


def add_file(
    uow: UnitOfWork,
    actor: Actor,
    registry: Registry,
    *,
    package: str,
    version: str | None,
    path: str,
    blob: Blob,
    media_type: str = "application/octet-stream",
    hashes: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
    replaces: bool = False,
) -> File:
    """Put stored bytes at an address. The same bytes again change nothing.

    `replaces` lets other bytes take the address, in a registry for development only. Raises Refused when
    the actor may not write, Conflict when the address has other bytes, Invalid where nothing is kept.
    """
    may_push(uow, actor, registry)
    if not 0 < len(path) <= MOST_PATH:
        raise Invalid(f"an address of {len(path)} characters", expected=f"1 to {MOST_PATH}")
    made = File(
        new_id("fil"),
        registry.name,
        package,
        version,
        path,
        blob.digest,
        blob.size,
        media_type,
        dict(hashes or {}),
        dict(facts or {}),
        actor.name,
        uow.now(),
    )
    store.changed(uow, registry.name, package)  # first: whoever adds to the same package waits here
    known = store.file_at(uow, registry.name, path)
    if known is not None:
        return _again(uow, actor, registry, known, made, replaces)
    try:
        store.add_file(uow, made)
    except sa.exc.IntegrityError:  # another package's writer took the address just now
        raise _taken(made) from None
    _record(uow, actor, "package.stored", made)
    return made


def _again(
    uow: UnitOfWork, actor: Actor, registry: Registry, known: File, made: File, replaces: bool
) -> File:
    if (known.digest, known.package, known.version) == (made.digest, made.package, made.version):
        return known
    if not replaces or registry.maturity != "dev" or known.package != made.package:
        raise _taken(known)
    made = replace(made, id=known.id)
    store.replace_file(uow, made)
    _record(uow, actor, "package.replaced", made, before=known.digest)
    return made


def _taken(file: File) -> Conflict:
    return Conflict(
        f"{file.path} is in {file.registry} already, with other content; what is released never changes",
        todo="Give the new content a new version.",
        detail={"digest": file.digest},
    )


def _record(uow: UnitOfWork, actor: Actor, what: str, file: File, **more: object) -> None:
    ledger.append(
        uow,
        actor,
        what,
        f"registry:{file.registry}",
        digest=file.digest,
        data={"package": file.package, "version": file.version, "path": file.path, **more},
    )


def file_at(uow: UnitOfWork, registry: str, path: str) -> File | None:
    """The file with this address, if there is one."""
    return store.file_at(uow, registry, path)


def files_of(uow: UnitOfWork, registry: str, package: str, version: str | None = None) -> list[File]:
    """A package's files, of one version or of all, in the order in which they came."""
    where = [store.file_table.c.version == version] if version is not None else []
    return store.files(uow, registry, package, where)


def file_by_digest(uow: UnitOfWork, registry: str, package: str, digest: str) -> File | None:
    """The first of a package's files that has these bytes."""
    found = store.files(uow, registry, package, [store.file_table.c.digest == digest])
    return found[0] if found else None


def files_with(uow: UnitOfWork, digest: str, limit: int = 100) -> list[File]:
    """Everywhere these bytes are, oldest first."""
    return store.with_digest(uow, digest, limit)


def packages_in(
    uow: UnitOfWork, registry: str, *, after: str | None = None, limit: int = 100, like: str | None = None
) -> Page[str]:
    """Names of packages whose name contains `like`, in order."""
    cursor = str(decode_cursor(after)) if after else None
    rows = store.packages(uow, registry, cursor, limit + 1, like)
    return Page(rows[:limit], encode_cursor(rows[limit - 1]) if len(rows) > limit else None)


def usage(uow: UnitOfWork) -> dict[str, Usage]:
    """How much is in each registry that holds anything, by its name."""
    return store.usage(uow)


def versions_of(uow: UnitOfWork, registry: str, package: str) -> list[PackageVersion]:
    """A package's newest 5,000 versions, newest arrival first."""
    return store.versions(uow, registry, package)


def change_of(uow: UnitOfWork, registry: str, package: str) -> int:
    """A number that grows with each change to a package: what was made of it holds until then."""
    return store.changes(uow, registry, package)


def change_facts(
    uow: UnitOfWork, actor: Actor, registry: Registry, path: str, facts: Mapping[str, Any], reason: str
) -> File:
    """Say otherwise what a file is (withdrawn, deprecated), never what it contains.

    Raises NotFound, Refused.
    """
    require(uow, actor, registry, "write")
    known = _known(uow, registry, path)
    if dict(facts) == dict(known.facts):
        return known
    store.set_facts(uow, known, facts)
    store.changed(uow, registry.name, known.package)
    names = sorted(key for key in {*facts, *known.facts} if facts.get(key) != known.facts.get(key))
    _record(uow, actor, "package.described", known, changed=names, reason=reason)
    return replace(known, facts=dict(facts))


def remove_file(uow: UnitOfWork, actor: Actor, registry: Registry, path: str, reason: str) -> File:
    """Take a file out of a registry; its bytes go when nothing names them. Raises NotFound, Refused."""
    require(uow, actor, registry, "delete")
    known = _known(uow, registry, path)
    store.remove_files(uow, [known.id])
    store.changed(uow, registry.name, known.package)
    _record(uow, actor, "package.removed", known, reason=reason)
    return known


def _known(uow: UnitOfWork, registry: Registry, path: str) -> File:
    found = store.file_at(uow, registry.name, path)
    if found is None:
        raise NotFound(f"there is no {path} in {registry.name}")
    return found


def tags_of(uow: UnitOfWork, registry: str, package: str) -> dict[str, str]:
    """What each tag of a package names now."""
    return {each.name: each.target for each in store.tags(uow, registry, package)}


def set_tag(uow: UnitOfWork, actor: Actor, registry: Registry, package: str, tag: str, target: str) -> None:
    """Make a tag name a version or digest. Raises Refused."""
    require(uow, actor, registry, "write")
    store.changed(uow, registry.name, package)
    before = tags_of(uow, registry.name, package).get(tag)
    if before == target:
        return
    store.put_tag(uow, Tag(registry.name, package, tag, target, actor.name, uow.now()))
    data = {"package": package, "tag": tag, "target": target, "before": before}
    ledger.append(uow, actor, "package.tagged", f"registry:{registry.name}", data=data)


def remove_tag(uow: UnitOfWork, actor: Actor, registry: Registry, package: str, tag: str) -> None:
    """Forget a tag. Raises NotFound, Refused."""
    require(uow, actor, registry, "write")
    before = tags_of(uow, registry.name, package).get(tag)
    if not store.remove_tag(uow, registry.name, package, tag):
        raise NotFound(f"{package} has no tag {tag} in {registry.name}")
    store.changed(uow, registry.name, package)
    data = {"package": package, "tag": tag, "before": before}
    ledger.append(uow, actor, "package.untagged", f"registry:{registry.name}", data=data)
