"""The ledger: entries, checkpoints, proofs, verification."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from clearway import ledger
from clearway.api.ask import Asked
from clearway.api.bodies import Body
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.shown import shown

router = APIRouter(prefix="/v1/ledger", route_class=Guarded, tags=["ledger"])


class CheckpointBody(Body):
    """A checkpoint that was kept outside."""

    checkpoint: Annotated[str, Field(max_length=10_000)]
    """The signed note, as it was given out."""


@router.get("/entries", **needs("ledger:read", "EntryPage"))
def entries(
    ask: Asked,
    subject: Annotated[str | None, Query(max_length=300, description="Such as promotion:prm_01...")] = None,
    action: Annotated[str | None, Query(max_length=100, description="How the action begins.")] = None,
    actor: Annotated[str | None, Query(max_length=100)] = None,
    newest_first: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Who did what, when, why, to which digest."""
    return read_page(
        ask,
        lambda uow: ledger.entries(
            uow,
            subject=subject,
            action_prefix=action,
            actor=actor,
            after=cursor,
            limit=limit,
            newest_first=newest_first,
        ),
    )


@router.get("/checkpoint", **needs("ledger:read", "Checkpoint"))
def checkpoint(ask: Asked) -> Response:
    """A signed tree head of the ledger as it is now, and the key that verifies it. Keep it elsewhere."""
    return ask.read(lambda uow: {**shown(ledger.checkpoint(uow)), "key": ledger.verifier_key(uow)})


@router.get("/verify", **needs("ledger:read", "Verification"))
def verify(ask: Asked) -> Response:
    """Verify the ledger: every hash computed again, and compared with all that is on record."""
    return ask.show(_verdict(ledger.verify_in_steps(ask.database)))


@router.post("/verify", **needs("ledger:read", "Verification"))
def verify_since(ask: Asked, body: CheckpointBody) -> Response:
    """Verify the ledger against an older checkpoint: it still holds all that the checkpoint vouched for."""
    return ask.show(_verdict(ledger.verify_in_steps(ask.database, body.checkpoint)))


def _verdict(found: ledger.Verification) -> dict[str, Any]:
    return {
        "verified": found.ok,
        "entries": found.entries,
        "root": found.root,
        "origin": found.origin,
        "problems": [shown(each) for each in found.problems],
    }


@router.get("/proof", **needs("ledger:read", "InclusionProof", errors=(404,)))
def proof(
    ask: Asked,
    index: Annotated[int, Query(ge=0, description="The entry.")],
    size: Annotated[int | None, Query(ge=1, description="Of the tree; as it is now when left out.")] = None,
) -> Response:
    """Prove that an entry is in the tree."""
    return ask.read(lambda uow: ledger.inclusion_proof(uow, index, size))


@router.get("/consistency", **needs("ledger:read", "ConsistencyProof"))
def consistency(
    ask: Asked, old: Annotated[int, Query(ge=0)], new: Annotated[int | None, Query(ge=0)] = None
) -> Response:
    """Prove that an older tree is the beginning of a newer one."""
    return ask.read(lambda uow: ledger.consistency_proof(uow, old, new))


@router.get("/export", response_class=FileResponse, **needs("ledger:read", "application/gzip"))
def export(ask: Asked) -> FileResponse:
    """The whole ledger as a .tar.gz, with the key and the program that verify it offline."""
    folder = Path(tempfile.mkdtemp(prefix="clearway-export-"))
    try:
        ledger.export_in_steps(ask.database, folder / "ledger")
        with ask.database.read() as uow:
            (folder / "ledger" / "verifier.key").write_text(ledger.verifier_key(uow) + "\n")
        packed = folder / "ledger.tar.gz"
        with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
            archive.add(folder / "ledger", "ledger")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    clean = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(packed, media_type="application/gzip", filename="ledger.tar.gz", background=clean)
