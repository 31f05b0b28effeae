"""Packuments: what npm clients read of a package, in full and abbreviated. Pure.

Rules:
1. What a version says of itself is what was published; where its tarball is, its digests, its size and
   whether it runs something when it is installed are what was found here.
2. A tag that names a version which is gone is not shown. `latest` is always there: as it was set, else the
   highest release, else the highest version.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from semver import Version

from clearway.artifacts import File

FULL = "application/json"
SHORT = "application/vnd.npm.install-v1+json"
_IN_SHORT = (
    "name",
    "version",
    "deprecated",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "bundledDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "acceptDependencies",
    "bin",
    "directories",
    "engines",
    "os",
    "cpu",
    "libc",
    "funding",
    "dist",
    "hasInstallScript",
    "_hasShrinkwrap",
)
_OF_PACKAGE = ("description", "homepage", "keywords", "repository", "author", "bugs", "license")


def wanted(accept: str) -> str:
    """Which of the two a client asks for: the one that stands first, in full when neither does."""
    for part in accept.split(",")[:20]:
        kind = part.partition(";")[0].strip().lower()
        if kind == SHORT:
            return SHORT
        if kind in (FULL, "*/*"):
            return FULL
    return FULL


def highest(versions: Sequence[str]) -> str:
    """The version that `latest` names when nobody said."""
    read = [Version.parse(each) for each in versions]
    return str(max([each for each in read if each.prerelease is None] or read))


def tags_shown(versions: Sequence[str], tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a package, with `latest` first."""
    known = set(versions)
    shown = {name: version for name, version in tags.items() if version in known}
    return {"latest": shown.pop("latest", "") or highest(versions), **shown}


def version_of(file: File, base: str) -> dict[str, Any]:
    """What is said of one version; `base` is the registry's address, with a slash at its end."""
    facts: Mapping[str, Any] = file.facts
    sha512 = base64.b64encode(bytes.fromhex(file.hashes["sha512"])).decode()
    return {
        **facts["manifest"],
        "_id": f"{file.package}@{file.version}",
        "_npmUser": {"name": file.by},
        **({"deprecated": facts["deprecated"]} if facts.get("deprecated") else {}),
        **({"hasInstallScript": True} if facts["installs"] else {}),
        "_hasShrinkwrap": facts["shrinkwrap"],
        "dist": {
            "integrity": f"sha512-{sha512}",
            "shasum": file.hashes["sha1"],
            "tarball": base + file.path,
            "fileCount": facts["files"],
            "unpackedSize": facts["unpacked"],
        },
    }


def packument(
    files: Sequence[File], tags: Mapping[str, str], *, form: str, base: str, revision: str
) -> bytes:
    """The whole package; its files as they came."""
    ordered = sorted(files, key=lambda each: Version.parse(str(each.version)))
    said = {str(each.version): version_of(each, base) for each in ordered}
    shown = tags_shown(list(said), tags)
    modified = max(each.at for each in files)
    name = files[0].package
    if form == SHORT:
        short = {
            version: {key: every[key] for key in _IN_SHORT if key in every} for version, every in said.items()
        }
        return _json({"name": name, "modified": _instant(modified), "dist-tags": shown, "versions": short})
    latest = said[shown["latest"]]
    newest = next(each for each in ordered if each.version == shown["latest"])
    times = {str(each.version): _instant(each.at) for each in files}
    created = min(each.at for each in files)
    return _json(
        {
            "_id": name,
            "_rev": revision,
            "name": name,
            "dist-tags": shown,
            "versions": said,
            "time": {"created": _instant(created), "modified": _instant(modified), **times},
            "maintainers": [{"name": by} for by in sorted({each.by for each in files})],
            **{key: latest[key] for key in _OF_PACKAGE if key in latest},
            "readme": newest.facts.get("readme", ""),
        }
    )


def found(file: File) -> dict[str, Any]:
    """A package as a search shows it."""
    manifest: Mapping[str, Any] = file.facts["manifest"]
    keys = ("description", "keywords", "license", "author")
    return {
        "package": {
            "name": file.package,
            "scope": file.package[1:].partition("/")[0] if file.package.startswith("@") else "unscoped",
            "version": file.version,
            **{key: manifest[key] for key in keys if key in manifest},
            "date": _instant(file.at),
            "links": {},
            "publisher": {"username": file.by},
            "maintainers": [{"username": file.by}],
        },
        "score": {"final": 1, "detail": {"quality": 1, "popularity": 1, "maintenance": 1}},
        "searchScore": 1,
    }


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
