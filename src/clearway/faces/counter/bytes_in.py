"""Bytes in: streamed to the disk, hashed once on the way, and gone when the client goes.

Rules:
1. No body is ever whole in memory.
2. A client that stops, stalls for a minute, or sends another length or digest than it said leaves nothing.
3. Nothing is received before it is known who asks and that they may.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from clearway.kernel import ClearwayError, Invalid, Retry
from clearway.storage import Blob, Blobs, Intake

PIECE = 1 << 20  # bytes that are written at once
STALLED_S = 60.0


class TooLarge(ClearwayError):
    """More bytes than this place takes."""

    status = 413
    title = "Too large"


@dataclass(frozen=True)
class Received:
    """What came."""

    blob: Blob
    hashes: Mapping[str, str]  # the further digests, hexadecimal, by name


async def receive(
    request: Request,
    blobs: Blobs,
    *,
    most: int,
    expected: str | None = None,
    algorithms: Sequence[str] = (),
) -> Received:
    """The request's body as a blob. Raises TooLarge, Conflict for another digest than `expected`, Invalid for
    another length than Content-Length said or a client that left, Retry when the disk is full."""
    told = request.headers.get("content-length")
    size = int(told) if told is not None and told.isdecimal() else None
    if size is not None and size > most:
        raise TooLarge(f"{size} bytes", expected=f"at most {most} bytes")
    intake = await run_in_threadpool(blobs.receive, algorithms)
    try:
        await pour(request.stream(), intake, most=most)
        blob = await run_in_threadpool(intake.finish, expected, size)
        return Received(blob, intake.hashes)
    except ClientDisconnect:
        raise Invalid("the client left before the end") from None
    finally:
        await run_in_threadpool(intake.abandon)


async def pour(stream: AsyncIterator[bytes], intake: Intake, *, most: int) -> None:
    """Write a stream to an intake, in pieces of a good size. Raises TooLarge; Retry when a client stalls."""
    async for piece in pieces(stream, PIECE):
        if intake.size + len(piece) > most:
            raise TooLarge(f"more than {most} bytes", expected=f"at most {most} bytes")
        await run_in_threadpool(intake.write, piece)


async def pieces(stream: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """A stream in pieces of about this size. Raises Retry for a client that stalls."""
    pending = bytearray()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream, None), STALLED_S)
        except TimeoutError:
            raise Retry("nothing came for a minute", todo="Send it again.") from None
        if chunk is None:
            break
        pending += chunk
        if len(pending) >= size:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)
