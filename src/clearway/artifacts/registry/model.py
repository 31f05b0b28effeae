"""What a registry holds. Pure.

Rules:
1. A file's path is its address inside the registry; the bytes behind an address never change, but where a
   format wants it and the registry is for development (a Maven snapshot's metadata).
2. A tag is a name that moves: an npm dist-tag, an image's tag. What it named before stays.
3. Equal bytes are one blob, whatever formats name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Verb = Literal["read", "write", "promote", "delete"]


@dataclass(frozen=True)
class File:
    """One addressable file of a package."""

    id: str
    registry: str
    package: str  # the name as the format compares it
    version: str | None  # None: what belongs to no version, such as a layer
    path: str  # its address, unique in the registry
    digest: str  # "sha256:..."
    size: int  # bytes
    media_type: str
    hashes: Mapping[str, str]  # further digests that the format's clients ask for, hexadecimal, by name
    facts: Mapping[str, Any]  # what the format's answers need, as JSON
    by: str  # who brought it
    at: datetime  # when it came here, which is not when it was made


@dataclass(frozen=True)
class Tag:
    """A name that moves."""

    registry: str
    package: str
    name: str
    target: str  # a version or a digest
    by: str
    at: datetime


@dataclass(frozen=True)
class Usage:
    """How much is in a registry."""

    packages: int = 0
    files: int = 0
    size: int = 0  # bytes, each file counted, though equal bytes are kept once
    changed_at: datetime | None = None  # when a file last came


@dataclass(frozen=True)
class PackageVersion:
    """A version of a package, as its files show it."""

    version: str
    files: int
    size: int  # bytes
    at: datetime  # when its first file came
    by: str  # who brought that one
