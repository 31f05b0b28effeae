"""The packages that went into a build, whatever ecosystem they come from.

A recipe hands over rows: a wheel's own, or a part's as JSON (`Part.as_json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .licences import from_metadata
from .model import BuildFailed


@dataclass(frozen=True)
class Part:
    """One package, by its bytes."""

    purl: str
    name: str
    version: str
    digest: str  # "sha256:...", or of another kind that the registry gave; empty: not known
    origin: str = "index"  # "index": fetched; "installed": packed again here; "machine": of the system
    location: str = ""  # where it was fetched; never with a name or a password
    licence: str = ""  # an SPDX expression, or the package's own words
    needs: tuple[str, ...] = ()  # names or package URLs of packages that it needs

    def as_json(self) -> dict[str, Any]:
        """For a step's result."""
        return {**asdict(self), "needs": list(self.needs)}


_FIELDS = {each.name for each in fields(Part)}


def read_parts(rows: Iterable[Mapping[str, Any]]) -> list[Part]:
    """From the rows of a recipe, sorted, each once."""
    found = {_read(row) for row in rows}
    return sorted(found, key=lambda part: (part.purl, part.digest))


def _read(row: Mapping[str, Any]) -> Part:
    if "purl" in row:
        known = {name: value for name, value in row.items() if name in _FIELDS}
        known["needs"] = tuple(known.get("needs", ()))
        known["location"] = public_location(str(known.get("location", "")))
        return Part(**known)
    return _wheel(row)


def _wheel(row: Mapping[str, Any]) -> Part:
    about = _metadata(Path(row["path"]))
    return Part(
        purl=PackageURL("pypi", name=row["name"], version=row["version"]).to_string(),
        name=row["name"],
        version=row["version"],
        digest=row["digest"],
        origin=row["origin"],
        location=public_location(str(row.get("location", ""))),
        licence=from_metadata(about) if about is not None else "",
        needs=tuple(requirement_names(about.get_all("Requires-Dist") or ())) if about is not None else (),
    )


def _metadata(path: Path) -> Any:
    """None when the wheel cannot be read any more: it was checked when it was used."""
    from .recipes.wheels import wheel_metadata  # the recipes know parts, too

    try:
        return wheel_metadata(path)
    except (BuildFailed, OSError):
        return None


def requirement_names(requirements: Sequence[str]) -> list[str]:
    """The packages that are needed here, without extras."""
    found = set()
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.add(canonicalize_name(requirement.name))
    return sorted(found)


def public_location(address: str) -> str:
    """An address without name, password, query and fragment; empty when it is none."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https", "git+https", "git+ssh", "ssh") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def digest_set(digest: str) -> dict[str, str]:
    """`sha256:ab...` as in-toto's DigestSet; empty when it is not known."""
    kind, _, value = digest.partition(":")
    return {kind: value} if value else {}
