"""Change fragments: files that tell of changes, in the forms of towncrier and of changesets. Pure.

Rules:
1. towncrier: `<issue>.<type>[.<number>][.<ending>]`; an issue that begins with + belongs to nobody. The types
   are those of its configuration, else feature, bugfix, doc, removal, misc. A removal breaks.
2. changesets: Markdown behind a head of `"package": major|minor|patch` lines; the README is none. A changeset
   that names other packages only is not ours.
3. A file that is none of this is named in an error: a change that nobody counts is worse than a stop.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearway.kernel import Invalid, Level

from .change import Change, told_change

__all__ = ["Towncrier", "changeset", "towncrier_fragment", "towncrier_settings"]

LONGEST = 64 << 10  # bytes of one fragment
TYPES: Mapping[str, Level | None] = {
    "feature": "minor",
    "bugfix": "patch",
    "doc": None,
    "removal": "major",
    "misc": None,
}
# What other names of types raise, as projects use them; those that are not here raise a patch.
KNOWN: Mapping[str, Level | None] = {
    **TYPES,
    "breaking": "major",
    "backward": "major",
    "feat": "minor",
    "added": "minor",
    "enhancement": "minor",
    "improvement": "minor",
    "deprecation": "minor",
    "deprecated": "minor",
    "removed": "major",
    "docs": None,
    "trivial": None,
    "internal": None,
    "chore": None,
}
_NOT_FRAGMENTS = frozenset({"readme", "template", "changelog", ".gitignore", ".gitkeep", ".keep", "config"})
_HEAD = re.compile(r"---\r?\n(?P<head>.*?)^---[ \t]*\r?$\n?(?P<text>.*)", re.DOTALL | re.MULTILINE)
_PACKAGE = re.compile(r"""["']?(?P<name>[^"':\s][^"':]{0,213})["']?\s*:\s*(?P<level>[a-z]{1,20})\s*\Z""")


@dataclass(frozen=True)
class Towncrier:
    """What of a project's towncrier settings matters here."""

    directory: str
    types: Mapping[str, Level | None]


def towncrier_settings(text: bytes, *, where: str) -> Towncrier | None:
    """The settings of a `pyproject.toml` or `towncrier.toml`; None when it has none. Raises Invalid."""
    try:
        found = tomllib.loads(text.decode()).get("tool", {}).get("towncrier")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError, RecursionError) as error:
        raise Invalid(f"it cannot be read: {error}", where=where, expected="TOML") from None
    if not isinstance(found, dict):
        return None
    package = str(found.get("package") or "").replace(".", "/")
    directory = found.get("directory") or (f"{package}/newsfragments" if package else "newsfragments")
    if not isinstance(directory, str):
        raise Invalid("towncrier's `directory` is no text", where=where, expected="a folder's name")
    return Towncrier(directory.strip("/"), _types(found.get("type"), where) or TYPES)


def _types(told: Any, where: str) -> dict[str, Level | None]:
    """The types in both forms: a list of tables with `directory`, or tables by name."""
    if isinstance(told, dict):
        names = list(told)
    elif isinstance(told, list) and all(isinstance(each, dict) for each in told):
        names = [str(each.get("directory") or each.get("name") or "").lower() for each in told]
    elif told is None:
        return {}
    else:
        raise Invalid(
            "towncrier's `type` is no list of types", where=where, expected="[[tool.towncrier.type]]"
        )
    return {name: KNOWN.get(name, "patch") for name in names if name}


def towncrier_fragment(settings: Towncrier, name: str, text: bytes, *, where: str) -> Change | None:
    """The change that a fragment tells of; None for a README or the like. Raises Invalid."""
    if name.partition(".")[0].lower() in _NOT_FRAGMENTS or name.lower() in _NOT_FRAGMENTS:
        return None
    parts = name.split(".")
    kind = next((part for part in parts[1:3] if part in settings.types), None)
    if len(parts) < 2 or kind is None:
        raise Invalid(
            f"{name[:80]} is no fragment that towncrier would read",
            where=where,
            expected=f"ISSUE.TYPE.md, the type one of {', '.join(settings.types)}",
        )
    said = _text(text, where)
    return told_change(settings.types[kind], said or parts[0], where=where)


def changeset(package: str, name: str, text: bytes, *, where: str) -> Change | None:
    """The change that a changeset tells of this package; None when it is about others, or none at all."""
    if not name.endswith(".md") or name.lower() == "readme.md":
        return None
    found = _HEAD.match(_text(text, where) + "\n")
    if found is None:
        raise Invalid(
            f"{name[:80]} is no changeset", where=where, expected='a head such as ---, "package": minor, ---'
        )
    level: Level | None = None
    named = False
    for line in filter(str.strip, found["head"].splitlines()):
        entry = _PACKAGE.match(line.strip())
        if entry is None or entry["level"] not in ("major", "minor", "patch", "none"):
            raise Invalid(
                f"{line.strip()[:80]!r} names no package and level",
                where=where,
                expected='"package": major, minor, patch or none',
            )
        if entry["name"] == package:
            named = True
            level = None if entry["level"] == "none" else entry["level"]  # type: ignore[assignment]
    return told_change(level, found["text"].strip() or name, where=where) if named else None


def _text(raw: bytes, where: str) -> str:
    if len(raw) > LONGEST:
        raise Invalid(f"it has {len(raw)} bytes", where=where, expected=f"at most {LONGEST}")
    return raw.decode(errors="replace").strip()
