"""Ids, digests, time, who acts, and what can go wrong. Pure: no database, network or file."""

from .actor import SYSTEM, Actor
from .addresses import holds_credentials
from .clock import Clock, FixedClock, format_duration, parse_duration
from .described import Described
from .diff import Diff, differences
from .digests import canonical, digest_of, is_digest, sha256
from .documents import (
    Document,
    DocumentError,
    Duration,
    Name,
    by_kind,
    load_document,
    load_documents,
    schema_of,
)
from .errors import (
    ClearwayError,
    Conflict,
    Invalid,
    NotFound,
    Permanent,
    Refused,
    Retry,
    Unauthenticated,
)
from .events import Event
from .ids import new_id
from .versions import (
    LEVELS,
    Level,
    Scheme,
    Version,
    check_channel,
    next_calendar,
    raise_release,
    read_version,
    tokens,
    write_version,
)

__all__ = [
    "LEVELS",
    "SYSTEM",
    "Actor",
    "ClearwayError",
    "Clock",
    "Conflict",
    "Described",
    "Diff",
    "Document",
    "DocumentError",
    "Duration",
    "Event",
    "FixedClock",
    "Invalid",
    "Level",
    "Name",
    "NotFound",
    "Permanent",
    "Refused",
    "Retry",
    "Scheme",
    "Unauthenticated",
    "Version",
    "by_kind",
    "canonical",
    "check_channel",
    "differences",
    "digest_of",
    "format_duration",
    "holds_credentials",
    "is_digest",
    "load_document",
    "load_documents",
    "new_id",
    "next_calendar",
    "parse_duration",
    "raise_release",
    "read_version",
    "schema_of",
    "sha256",
    "tokens",
    "write_version",
]
