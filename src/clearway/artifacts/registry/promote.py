"""Promoting a package from one registry to another: rows move, bytes do not.

Rules:
1. What is promoted is a version with its whole closure: every file of it, what these files name (an image's
   layers, an index' images), and what is said about them (referrers, and the signed evidence by digest).
2. All of it or nothing: one transaction, one ledger entry that names every digest.
3. The bytes were hashed again just before; the digests in the target are those of the source.
4. Evidence that the target asks for and that is not there, or that no key of ours signed, is a no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clearway import ledger
from clearway.artifacts import model as evidence_model
from clearway.artifacts.service import evidence_of, verify_stored
from clearway.catalog import Registry
from clearway.kernel import Actor, Conflict, Invalid, NotFound, Refused, new_id
from clearway.storage import Blobs, UnitOfWork

from . import store
from .model import File, Tag
from .permit import require

KINDS: Mapping[str, str] = {
    "provenance": evidence_model.PROVENANCE,
    "sbom": evidence_model.SBOM,
    "tests": evidence_model.TEST_RESULT,
    "reproduced": evidence_model.REPRODUCED,
    "rebuilt": evidence_model.REBUILT,
    "findings": evidence_model.FINDINGS,
    "licences": evidence_model.LICENCES,
}
"""What a registry can ask for, by the name in its document."""
MOST_FILES = 10_000


@dataclass(frozen=True)
class Closure:
    """Everything that belongs to one version of a package in a registry."""

    registry: str
    package: str
    version: str
    files: tuple[File, ...]  # those of the version first
    subjects: tuple[str, ...]  # digests of the version's own files: what evidence must speak of
    evidence: Mapping[str, tuple[str, ...]]  # ids of statements by the digest that they speak of
    missing: tuple[str, ...] = ()  # names of evidence that the target asks for and some file lacks

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        shown = ("path", "version", "digest", "size", "media_type", "by", "at", "facts")
        return {
            "registry": self.registry,
            "package": self.package,
            "version": self.version,
            "size": self.size,
            "files": [{name: getattr(each, name) for name in shown} for each in self.files],
            "evidence": {digest: list(ids) for digest, ids in self.evidence.items()},
            "missing": list(self.missing),
        }


def closure(
    uow: UnitOfWork, registry: Registry, package: str, version: str, asked: Sequence[str] = ()
) -> Closure:
    """What belongs to a version, or to what a tag names. Raises NotFound, Untrusted; Invalid when too large.

    `asked` names kinds of evidence; those that any of the version's own files lacks are `missing`.
    """
    everything = store.files(uow, registry.name, package)
    own = _own(uow, registry, package, version, everything)
    files = _grown(own, everything)
    subjects = tuple(dict.fromkeys(each.digest for each in own))
    statements: dict[str, list[str]] = {}
    kinds: dict[str, set[str]] = {}
    for digest in subjects:
        for each in verify_stored(uow, digest):
            kinds.setdefault(digest, set()).add(each.predicate_type)
    for each in evidence_of(uow, [file.digest for file in files]):
        statements.setdefault(each.subject_digest, []).append(each.id)
    missing = [
        name for name in asked if any(KINDS[name] not in kinds.get(digest, set()) for digest in subjects)
    ]
    told = {digest: tuple(dict.fromkeys(ids)) for digest, ids in statements.items()}
    return Closure(registry.name, package, version, tuple(files), subjects, told, tuple(missing))


def _own(
    uow: UnitOfWork, registry: Registry, package: str, version: str, everything: Sequence[File]
) -> list[File]:
    tagged = {each.name: each.target for each in store.tags(uow, registry.name, package)}
    target = tagged.get(version, version)
    own = [each for each in everything if target in (each.version, each.digest)]
    if not own:
        raise NotFound(f"{registry.name} has no {package} {version}")
    return own


def _grown(own: Sequence[File], everything: Sequence[File]) -> list[File]:
    """The files with all that they name, and all that is said about them."""
    by_digest: dict[str, list[File]] = {}
    about: dict[str, list[File]] = {}
    for each in everything:
        by_digest.setdefault(each.digest, []).append(each)
        if subject := each.facts.get("subject"):
            about.setdefault(str(subject), []).append(each)
    found: dict[str, File] = {}
    waiting = list(own)
    while waiting:
        file = waiting.pop()
        if file.id in found:
            continue
        found[file.id] = file
        if len(found) > MOST_FILES:
            raise Invalid(f"more than {MOST_FILES} files belong to it")
        for digest in file.facts.get("references", ()):
            waiting += by_digest.get(digest, ())
        waiting += about.get(file.digest, ())
    first = {each.id for each in own}
    return [*own, *sorted((f for f in found.values() if f.id not in first), key=lambda each: each.id)]


def prove(blobs: Blobs, files: Iterable[File]) -> None:
    """Hash the bytes again, outside any transaction. Raises Conflict, naming what changed."""
    for digest in dict.fromkeys(each.digest for each in files):
        if not blobs.verify(digest):
            raise Conflict(
                f"the stored bytes of {digest} are no longer those of that digest",
                todo="Push or build them again: the right bytes take their place.",
                detail={"digest": digest},
            )


def promote(
    uow: UnitOfWork,
    actor: Actor,
    source: Registry,
    target: Registry,
    package: str,
    version: str,
    *,
    reason: str,
    proven: Iterable[str],
) -> Closure:
    """Have a version in another registry too. Again changes nothing.

    `proven` are the digests that `prove` has hashed; when the closure has others by now, it is a Conflict.
    Raises Refused when the actor may not or evidence is missing, NotFound, Conflict, Invalid.
    """
    require(uow, actor, source, "read")
    require(uow, actor, target, "promote")
    _check_places(source, target)
    if not reason.strip():
        raise Invalid("a promotion without a reason", expected="why it is promoted")
    found = closure(uow, source, package, version, target.requires)
    if found.missing:
        raise Refused(
            f"{package} {version} lacks {', '.join(found.missing)}, which {target.name} asks for",
            todo="Build it with Clearway, or attach the evidence, and promote again.",
            detail={"missing": list(found.missing)},
        )
    if {each.digest for each in found.files} - set(proven):
        raise Conflict("more belongs to it than a moment ago", todo="Promote again.")
    store.changed(uow, target.name, package)
    new = [each for each in found.files if _is_new(uow, each, target)]
    for each in new:
        copy = replace(each, id=new_id("fil"), registry=target.name, by=actor.name, at=uow.now())
        store.add_file(uow, copy)
    moved = _copy_tags(uow, actor, source, target, found)
    if new or moved:
        _record(uow, actor, found, target, reason)
    return found


def _check_places(source: Registry, target: Registry) -> None:
    if source.format != target.format or source.name == target.name:
        raise Invalid(
            f"{source.name} is a {source.format} registry and {target.name} a {target.format} registry",
            expected="two registries of one format",
        )
    if target.mode != "local":
        raise Invalid(f"{target.name} is a {target.mode}", expected="a local registry to promote into")


def _is_new(uow: UnitOfWork, file: File, target: Registry) -> bool:
    known = store.file_at(uow, target.name, file.path)
    if known is not None and known.digest != file.digest:
        raise Conflict(
            f"{file.path} is in {target.name} already, with other content; what is released never changes",
            todo="Promote a version that is not there yet.",
            detail={"digest": known.digest},
        )
    return known is None


def _copy_tags(uow: UnitOfWork, actor: Actor, source: Registry, target: Registry, found: Closure) -> bool:
    """A tag by which the version was asked for goes along; so do those that nothing in the target has."""
    there = {each.name: each.target for each in store.tags(uow, target.name, found.package)}
    names = {found.version, *found.subjects}
    copied = False
    for each in store.tags(uow, source.name, found.package):
        if each.target not in names and each.name != found.version:
            continue
        if each.name in there:
            if each.name == found.version and there[each.name] != each.target:
                raise Conflict(
                    f"{found.package}:{each.name} names {there[each.name]} in {target.name}",
                    todo="Promote under a tag that is not there yet.",
                )
            continue
        store.put_tag(uow, Tag(target.name, found.package, each.name, each.target, actor.name, uow.now()))
        copied = True
    return copied


def _record(uow: UnitOfWork, actor: Actor, found: Closure, target: Registry, reason: str) -> None:
    ledger.append(
        uow,
        actor,
        "package.promoted",
        f"registry:{target.name}",
        digest=found.subjects[0],
        data={
            "package": found.package,
            "version": found.version,
            "from": found.registry,
            "digests": sorted({each.digest for each in found.files}),
            "evidence": sorted({each for ids in found.evidence.values() for each in ids}),
            "reason": reason,
        },
    )
