"""Wheels packed again from installed packages, checked against their own records.

The build backend that Clearway itself was installed with need not be fetched: a build then works on a machine
without a network. Its files are the ones that the package's RECORD names, each with the digest named there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, canonicalize_version

_LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def closure(requirements: Sequence[Requirement]) -> list[metadata.Distribution] | None:
    """The installed packages that satisfy the requirements and all they need; None when one is missing."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(requirement, "") for requirement in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            package = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            return None
        if not requirement.specifier.contains(package.version, prereleases=True) or _is_editable(package):
            return None
        found[name] = package
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in package.requires or ()]
    return [found[name] for name in sorted(found)]


def _is_editable(package: metadata.Distribution) -> bool:
    text = package.read_text("direct_url.json")
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def pack(package: metadata.Distribution) -> tuple[str, bytes] | None:
    """File name and bytes of a wheel; None when a file is missing or not what the record says."""
    wheel_text = package.read_text("WHEEL") or ""
    tags = [line.partition(":")[2].strip() for line in wheel_text.splitlines() if line.startswith("Tag:")]
    members = list(_members(package))
    if not tags or any(data is None for _, data in members):
        return None
    files = {name: data for name, data in members if data is not None}
    info = next((name for name in files if name.endswith(".dist-info/METADATA")), None)
    if info is None:
        return None
    name = canonicalize_name(package.metadata["Name"]).replace("-", "_")
    version = canonicalize_version(package.version, strip_trailing_zero=False).replace("-", "_")
    return f"{name}-{version}-{_joined(tags)}.whl", _zip(files, PurePosixPath(info).parent)


def _joined(tags: Sequence[str]) -> str:
    """Several tags as the compressed set of a file name."""
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(part)) for part in parts)


def _members(package: metadata.Distribution) -> Iterator[tuple[str, bytes | None]]:
    for entry in package.files or ():
        parts = PurePosixPath(entry).parts
        # What lies outside (scripts, manual pages) comes again from the entry points, or is not needed.
        if ".." in parts or "__pycache__" in parts or entry.name in _LEFT_OUT or not entry.hash:
            continue
        if entry.is_absolute():
            continue
        try:
            data = Path(entry.locate()).read_bytes()
        except OSError:
            yield str(entry), None
            continue
        digest = hashlib.new(entry.hash.mode, data).digest()
        same = base64.urlsafe_b64encode(digest).decode().rstrip("=") == entry.hash.value
        yield str(PurePosixPath(entry)), data if same else None


def _zip(files: dict[str, bytes], info: PurePosixPath) -> bytes:
    """Sorted, stored, with one date: the same files are the same bytes."""
    rows = []
    for name in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(files[name])}")
    record = str(info / "RECORD")
    files = {**files, record: ("\n".join([*rows, f"{record},,"]) + "\n").encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _LONG_AGO)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, files[name])
    return out.getvalue()
