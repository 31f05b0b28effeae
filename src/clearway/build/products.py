"""What a build makes: files with digests, and where two runs differ."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clearway.storage import read_chunks


@dataclass(frozen=True)
class Product:
    """A file that becomes an artifact."""

    name: str
    type: str  # "bundle", "wheel", "archive", "file"
    purl: str
    digest: str
    path: str

    def as_json(self) -> dict[str, Any]:
        """For a step's result."""
        return asdict(self)


def digest_file(path: Path) -> str:
    """The digest of a file's bytes, computed by us, after the job has ended."""
    digest = hashlib.sha256()
    for chunk in read_chunks(path):
        digest.update(chunk)
    return "sha256:" + digest.hexdigest()


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """Each output's digest."""
    return {name: digest_file(path) for name, path in sorted(files.items())}


def explain_difference(first: Mapping[str, Path], second: Mapping[str, Path]) -> list[str]:
    """One line for each output that differs between two runs, with the members of archives."""
    lines = [f"{name}: only in one of the two runs" for name in sorted(set(first) ^ set(second))]
    lines += [
        f"{name}: different bytes{_members(first[name], second[name])}"
        for name in sorted(set(first) & set(second))
        if digest_file(first[name]) != digest_file(second[name])
    ]
    return lines


def _members(first: Path, second: Path) -> str:
    try:
        with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as two:
            left = {info.filename: (info.CRC, info.date_time, info.external_attr) for info in one.infolist()}
            right = {info.filename: (info.CRC, info.date_time, info.external_attr) for info in two.infolist()}
    except (zipfile.BadZipFile, OSError):
        return ""
    changed = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    return f" in {', '.join(changed[:8])}" if changed else " (order or compression of the archive)"
