"""Storing artifacts, and giving out only bytes that are still what their digest says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from clearway import ledger
from clearway.artifacts import store
from clearway.artifacts.model import Artifact
from clearway.kernel import Actor, NotFound, Permanent
from clearway.storage import Blob, Blobs, Page, UnitOfWork, decode_cursor, encode_cursor, read_chunks


class Damaged(Permanent):
    """Stored bytes are no longer what their digest says; they are never given out."""

    title = "The artifact is damaged"


def keep_file(blobs: Blobs, path: Path, expected: str | None = None) -> Blob:
    """Store a file's bytes, outside any transaction.

    A damaged copy under the same digest is moved aside and replaced. Raises Retry when the disk is full,
    Conflict when the bytes have another digest than expected.
    """
    fresh = expected is not None and not blobs.exists(expected)
    blob = blobs.put(read_chunks(path), expected)
    if not fresh and not blobs.verify(blob.digest):  # what is fresh was hashed while it was written
        damaged = blobs.path(blob.digest)
        os.replace(damaged, damaged.with_name(damaged.name + ".damaged"))
        blob = blobs.put(read_chunks(path), expected)
    return blob


def put(
    uow: UnitOfWork,
    actor: Actor,
    path: Path,
    *,
    name: str,
    type: str,
    purl: str,
    service: str,
    version: str,
    build_id: str | None = None,
) -> Artifact:
    """Store a file and record it. Big files: `keep_file` first, then `record`, so that nobody waits."""
    blob = keep_file(uow.tool(Blobs), path)
    return record(
        uow,
        actor,
        blob,
        name=name,
        type=type,
        purl=purl,
        service=service,
        version=version,
        build_id=build_id,
    )


def record(
    uow: UnitOfWork,
    actor: Actor,
    blob: Blob,
    *,
    name: str,
    type: str,
    purl: str,
    service: str,
    version: str,
    build_id: str | None = None,
) -> Artifact:
    """Make stored bytes an artifact, with a ledger entry; the same again changes nothing."""
    known = store.same_artifact(uow, blob.digest, name, build_id)
    if known:
        return known
    artifact = Artifact(blob.digest, blob.size, name, type, purl, service, version, build_id, uow.now())
    store.add_artifact(uow, artifact)
    ledger.append(
        uow,
        actor,
        "artifact.stored",
        f"artifact:{blob.digest.replace(':', '.')}",
        digest=blob.digest,
        data={"name": name, "type": type, "service": service, "version": version, "build": build_id},
    )
    return artifact


def get(uow: UnitOfWork, digest: str) -> Artifact:
    """The artifact with this digest; the oldest record when several builds made the same bytes."""
    found = store.first_artifact(uow, digest)
    if found is None:
        raise NotFound(f"no artifact has the digest {digest}")
    return found


def list_(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    version: str | None = None,
    build_id: str | None = None,
    digest: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Page[Artifact]:
    """Artifacts that fit every given condition, newest first."""
    table = store.artifact_table.c
    given = (
        (table.service, service),
        (table.version, version),
        (table.build_id, build_id),
        (table.digest, digest),
    )
    where = [column == value for column, value in given if value is not None]
    cursor = str(decode_cursor(after)) if after else None
    rows = store.find_artifacts(uow, where, cursor, limit + 1)
    more = encode_cursor(rows[limit - 1][0]) if len(rows) > limit else None
    return Page([artifact for _, artifact in rows[:limit]], more)


def path_of(blobs: Blobs, digest: str) -> Path:
    """A local file with the bytes, hashed again just now. Raises NotFound, or Damaged.

    Outside every transaction: hashing a large file takes long, and a read keeps SQLite's writers waiting.
    """
    if not blobs.verify(digest):
        raise Damaged(
            f"the stored bytes of {digest} were changed on disk",
            todo="Build the same commit again: a reproducible build puts the right bytes back.",
            detail={"digest": digest},
        )
    return blobs.path(digest)


def open_(uow: UnitOfWork, digest: str) -> BinaryIO:
    """The bytes, hashed again just now. Raises NotFound, or Damaged."""
    return path_of(uow.tool(Blobs), digest).open("rb")
