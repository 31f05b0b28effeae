"""Promoting between registries: all that belongs to a version, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from databases import make_database

from clearway import access, artifacts, catalog, ledger
from clearway.access import UserDocument
from clearway.artifacts import SBOM, Signer
from clearway.artifacts.ports import MemorySigner
from clearway.kernel import SYSTEM, Actor, Conflict, Invalid, NotFound, Refused, by_kind, load_documents
from clearway.storage import Blobs, Database, FileBlobs, UnitOfWork

DEV, MANAGER = Actor("dev"), Actor("release-manager")
PLATFORM = """
{kind: Registry, name: dev-images, format: generic}
---
{kind: Registry, name: images, format: generic, maturity: release}
---
{kind: Registry, name: proven, format: generic, maturity: release, requires: [sbom]}
---
{kind: Registry, name: wheels, format: pypi}
---
{kind: Registry, name: all-images, format: generic, mode: group, members: [images]}
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    tools: dict[type[Any], Any] = {Blobs: FileBlobs(tmp_path / "blobs"), Signer: MemorySigner()}
    database = make_database(tmp_path, tools=tools)
    with database.begin() as uow:
        people = [
            UserDocument(name="dev", roles=["developer"]),
            UserDocument(name="release-manager", roles=["release-manager"]),
        ]
        access.apply(uow, SYSTEM, people)
        docs = load_documents(PLATFORM, "p.yaml", by_kind(catalog.KINDS))
        catalog.apply(uow, SYSTEM, [each for each, _ in docs])
    yield database
    database.dispose()


def put(
    uow: UnitOfWork, name: str, facts: Mapping[str, Any] | None = None, registry: str = "dev-images"
) -> artifacts.File:
    """A file whose bytes are its name."""
    blob = uow.tool(Blobs).put([name.encode()])
    known = catalog.registry(uow, registry)
    return artifacts.add_file(
        uow, DEV, known, package="shop", version=None, path=f"shop/{name}", blob=blob, facts=facts
    )


@pytest.fixture
def image(database: Database) -> artifacts.File:
    """An index of one image with a layer, a signature about it, an SBOM about that; and a stranger."""
    with database.begin() as uow:
        layer = put(uow, "layer")
        manifest = put(uow, "manifest", {"references": [layer.digest]})
        index = put(uow, "index", {"references": [manifest.digest]})
        signature = put(uow, "signature", {"subject": manifest.digest, "references": []})
        put(uow, "sbom", {"subject": signature.digest})
        put(uow, "stranger")
        known = catalog.registry(uow, "dev-images")
        artifacts.set_tag(uow, DEV, known, "shop", "1.0", index.digest)
        artifacts.set_tag(uow, DEV, known, "shop", "latest", index.digest)
    return index


def promote(
    database: Database, to: str = "images", version: str = "1.0", actor: Actor = MANAGER, reason: str = "good"
) -> artifacts.Closure:
    """As the API does it."""
    with database.read() as uow:
        found = artifacts.closure(uow, catalog.registry(uow, "dev-images"), "shop", version)
    artifacts.prove(database.tool(Blobs), found.files)
    with database.begin() as uow:
        source, target = catalog.registry(uow, "dev-images"), catalog.registry(uow, to)
        proven = [each.digest for each in found.files]
        return artifacts.promote(uow, actor, source, target, "shop", version, reason=reason, proven=proven)


def names(uow: UnitOfWork, registry: str) -> list[str]:
    return sorted(each.path.split("/")[1] for each in artifacts.files_of(uow, registry, "shop"))


def test_the_whole_closure_goes_and_no_byte_moves(database: Database, image: artifacts.File) -> None:
    """Layers, children, signatures, what is said about signatures; not what merely lies beside it."""
    blobs = database.tool(Blobs)
    assert isinstance(blobs, FileBlobs)
    before = {path: path.stat().st_mtime_ns for path in blobs.root.rglob("*") if path.is_file()}
    done = promote(database)
    assert {path: path.stat().st_mtime_ns for path in blobs.root.rglob("*") if path.is_file()} == before
    with database.read() as uow:
        assert names(uow, "images") == ["index", "layer", "manifest", "sbom", "signature"]
        copied = artifacts.file_at(uow, "images", "shop/index")
        assert copied is not None
        assert (copied.digest, copied.by, copied.id != image.id) == (image.digest, "release-manager", True)
        assert artifacts.tags_of(uow, "images", "shop") == {"1.0": image.digest, "latest": image.digest}
        (entry,) = ledger.entries(uow, action_prefix="package.promoted").items
    assert entry.data["digests"] == sorted(each.digest for each in done.files)
    assert (entry.data["from"], entry.data["reason"]) == ("dev-images", "good")


def test_promoting_again_changes_nothing(database: Database, image: artifacts.File) -> None:
    """Not even the ledger."""
    promote(database)
    promote(database)
    with database.read() as uow:
        assert len(ledger.entries(uow, action_prefix="package.promoted").items) == 1


def test_what_was_said_later_can_be_brought_after(database: Database, image: artifacts.File) -> None:
    """A new signature goes with the next promotion of the same version."""
    promote(database)
    with database.begin() as uow:
        put(uow, "later", {"subject": image.digest})
    promote(database)
    with database.read() as uow:
        assert "later" in names(uow, "images")


def test_a_moved_tag_does_not_move_what_is_released(database: Database, image: artifacts.File) -> None:
    """The target keeps what it has, and nothing of the closure arrives."""
    promote(database)
    with database.begin() as uow:
        other = put(uow, "other")
        artifacts.set_tag(uow, DEV, catalog.registry(uow, "dev-images"), "shop", "1.0", other.digest)
    with pytest.raises(Conflict, match="names"):
        promote(database)
    with database.read() as uow:
        assert "other" not in names(uow, "images")


def test_damaged_bytes_are_not_promoted(database: Database, image: artifacts.File) -> None:
    """The digest in the target is proven, not copied."""
    path = database.tool(Blobs).path(image.digest)
    os.chmod(path, 0o644)
    path.write_bytes(b"evil!")
    with pytest.raises(Conflict, match="no longer"):
        promote(database)


def test_evidence_that_is_asked_for_must_be_there(database: Database, image: artifacts.File) -> None:
    """Each of the version's own files has it, signed by us; else the refusal names what is missing."""
    with pytest.raises(Refused, match="sbom"):
        promote(database, "proven")
    signer = database.tool(Signer)  # type: ignore[type-abstract]
    said = artifacts.statement([("index", image.digest)], SBOM, {"bomFormat": "CycloneDX"})
    with database.begin() as uow:
        kept = artifacts.attach(uow, image.digest, SBOM, artifacts.sign(signer, said))
    done = promote(database, "proven")
    assert done.evidence == {image.digest: (kept.id,)}
    with database.read() as uow:
        (entry,) = ledger.entries(uow, action_prefix="package.promoted").items
    assert entry.data["evidence"] == [kept.id]


def test_what_came_while_bytes_were_hashed_is_not_slipped_in(
    database: Database, image: artifacts.File
) -> None:
    """Whoever promotes has seen all that is promoted."""
    with database.begin() as uow, pytest.raises(Conflict, match="a moment ago"):
        source, target = catalog.registry(uow, "dev-images"), catalog.registry(uow, "images")
        artifacts.promote(uow, MANAGER, source, target, "shop", "1.0", reason="good", proven=[image.digest])


@pytest.mark.parametrize(
    ("to", "more", "error"),
    [
        ("images", {"actor": DEV}, Refused),
        ("images", {"reason": " "}, Invalid),
        ("images", {"version": "2.0"}, NotFound),
        ("wheels", {}, Invalid),
        ("dev-images", {}, Invalid),
        ("all-images", {}, Invalid),
    ],
)
def test_who_where_and_why_are_asked(
    database: Database, image: artifacts.File, to: str, more: dict[str, Any], error: type[Exception]
) -> None:
    """Pushing does not bring the right to promote; formats do not mix; a reason is given."""
    with pytest.raises(error):
        promote(database, to, **more)
    with database.read() as uow:
        assert names(uow, "images") == []


def test_references_in_a_circle_end(database: Database) -> None:
    """What names itself, as a hostile index may say, is one closure like any other."""
    with database.begin() as uow:
        first = put(uow, "a", {"references": []})
        put(uow, "b", {"references": [first.digest], "subject": first.digest})
        known = catalog.registry(uow, "dev-images")
        artifacts.change_facts(uow, DEV, known, "shop/a", {"references": [first.digest]}, "circle")
        found = artifacts.closure(uow, known, "shop", first.digest)
    assert [each.path for each in found.files] == ["shop/a", "shop/b"]
    assert found.size == 2
