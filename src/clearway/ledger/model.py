"""What the ledger holds, and the exact bytes that are hashed. Pure.

The bytes of an entry are its RFC 8785 form with all nine fields. They are put together by hand because the
fields, their order and their types are fixed: 100,000 of them are rebuilt whenever the ledger is verified. A
test holds them against the general implementation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from clearway.kernel import Invalid, canonical

from .tiles import ENTRY_LIMIT

__all__ = [
    "Checkpoint",
    "ConsistencyProof",
    "Entry",
    "InclusionProof",
    "Record",
    "checked_bytes",
    "entry_bytes",
    "make_record",
    "read_record",
]


@dataclass(frozen=True)
class Entry:
    """Who did what, when, why, to which digest."""

    index: int  # place in the log, from 0, without gaps
    at: datetime  # aware UTC, to the microsecond
    actor: str  # name of the person, robot or system
    actor_kind: str  # person, robot, system
    action: str  # such as promotion.approved
    subject: str  # such as promotion:prm_01jd...
    reason: str  # why, in the words of the one who acted; may be empty
    digest: str | None  # sha256:... of what was acted on
    data: Any  # small JSON; never a secret


@dataclass(frozen=True)
class Record:
    """An entry as it is stored: `data` stays the canonical JSON text that was hashed."""

    index: int
    at: datetime
    actor: str
    actor_kind: str
    action: str
    subject: str
    reason: str
    digest: str | None
    data: str | None


@dataclass(frozen=True)
class Checkpoint:
    """A signed tree head. The note is all that a verifier needs; the rest is read from it."""

    origin: str  # the log's name
    size: int  # entries it vouches for
    root: str  # hex
    note: str  # the signed note (C2SP checkpoint)
    at: datetime  # when it was signed; not part of the note


@dataclass(frozen=True)
class InclusionProof:
    """That an entry is in the log, for whoever knows the root of `size` entries."""

    index: int  # of the entry
    size: int  # entries in the tree it is proven to be in
    entry: str  # the entry's exact bytes, as text
    leaf: str  # hex; SHA-256 of 0x00 and those bytes
    path: tuple[str, ...]  # hex; RFC 6962 audit path, leaf side first
    root: str  # hex; what the path leads to


@dataclass(frozen=True)
class ConsistencyProof:
    """That a log of `new` entries only added to the one of `old`."""

    old: int
    new: int
    old_root: str  # hex
    new_root: str  # hex
    path: tuple[str, ...]  # hex; RFC 6962 consistency path


def entry_bytes(record: Record) -> bytes:
    """The bytes whose hash is the leaf: RFC 8785 JSON."""
    quote = encode_basestring
    at = record.at.astimezone(UTC).isoformat(timespec="microseconds")
    digest = "null" if record.digest is None else quote(record.digest)
    return (
        f'{{"action":{quote(record.action)},"actor":{quote(record.actor)},'
        f'"actor_kind":{quote(record.actor_kind)},"at":"{at[:-6]}Z",'
        f'"data":{"null" if record.data is None else record.data},"digest":{digest},'
        f'"index":{record.index},"reason":{quote(record.reason)},"subject":{quote(record.subject)}}}'
    ).encode()


def make_record(entry: Entry) -> Record:
    """The stored form. Raises Invalid when the entry cannot be stored the same on every database."""
    data = None
    if entry.data is not None:
        try:
            data = canonical(entry.data).decode()
        except (ValueError, TypeError) as error:
            raise Invalid(f"the data of {entry.action} is not JSON: {error}") from error
    record = Record(
        entry.index,
        entry.at,
        entry.actor,
        entry.actor_kind,
        entry.action,
        entry.subject,
        entry.reason,
        entry.digest,
        data,
    )
    texts = (
        record.actor,
        record.actor_kind,
        record.action,
        record.subject,
        record.reason,
        record.digest or "",
    )
    if any("\0" in text for text in texts):
        raise Invalid(f"{entry.action} on {entry.subject!r} has a NUL character in it")
    return record


def checked_bytes(record: Record) -> bytes:
    """`entry_bytes`, refusing what does not fit a bundle or is no text. Raises Invalid."""
    try:
        raw = entry_bytes(record)
    except UnicodeEncodeError as error:
        raise Invalid(f"{record.action} on {record.subject!r} is not valid text") from error
    if len(raw) > ENTRY_LIMIT:
        raise Invalid(
            f"a ledger entry holds at most {ENTRY_LIMIT} bytes; {record.action} has {len(raw)}",
            todo="Store the bulk as evidence and put its digest into the entry.",
        )
    return raw


def read_record(record: Record) -> Entry:
    """The entry as its readers want it."""
    data = None if record.data is None else json.loads(record.data)
    return Entry(
        record.index,
        record.at,
        record.actor,
        record.actor_kind,
        record.action,
        record.subject,
        record.reason,
        record.digest,
        data,
    )
