"""What a client sends to publish a version, held against the tarball that came with it. Pure.

Rules:
1. The body, the name of the attachment and package.json inside the tarball agree on name and version.
2. Every digest that the client sends must be that of the bytes.
3. What the request says that the version depends on is what package.json inside the tarball says: clients
   install by the one, and people read the other.
4. Where a version's tarball is, what its digests are and who brought it is not for the client to say.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from clearway.kernel import Invalid

from . import names
from .tarballs import Inside

MOST_MANIFEST = 1 << 20  # bytes
MOST_README = 64 << 10  # characters that are kept
_OURS = ("dist", "_id", "_rev", "_npmUser", "hasInstallScript", "_hasShrinkwrap", "deprecated", "readme")


@dataclass(frozen=True)
class Publication:
    """A version to be."""

    name: str
    version: str
    manifest: Mapping[str, Any]
    digests: Mapping[str, str]  # what the client says the tarball has, hexadecimal, by algorithm
    length: int | None  # bytes that the tarball has, as the client says
    tags: tuple[str, ...]
    readme: str

    def facts(self, inside: Inside) -> dict[str, Any]:
        """What packuments need of it."""
        return {
            "manifest": dict(self.manifest),
            "installs": inside.installs,
            "shrinkwrap": inside.shrinkwrap,
            "files": inside.files,
            "unpacked": inside.unpacked,
            "readme": self.readme,
        }

    def must_agree(self, inside: Inside, hashes: Mapping[str, str], size: int) -> None:
        """Returns when the tarball is what the client says. Raises Invalid."""
        if (inside.name, inside.version) != (self.name, self.version):
            raise Invalid(
                f"the tarball says inside that it is {inside.name[:100]} {inside.version[:100]}",
                expected=f"{self.name} {self.version}, as the request says",
            )
        other = _depended(self.manifest) ^ _depended(inside.description)
        if other:
            raise Invalid(
                f"the request and package.json in the tarball differ on {', '.join(sorted(other))[:200]}",
                expected="the same dependencies in both",
                todo="Publish with a client that packs and describes the same files.",
            )
        for algorithm, told in self.digests.items():
            if hashes[algorithm] != told:
                raise Invalid(f"the {algorithm} is not that of the tarball that came", todo="Publish again.")
        if self.length is not None and self.length != size:
            raise Invalid(f"{size} bytes of tarball came", expected=f"{self.length}, as the request says")


def _depended(manifest: Mapping[str, Any]) -> set[str]:
    """Names of what is installed along; clients write optional ones in one place or in both."""
    found: set[str] = set()
    for key in ("dependencies", "optionalDependencies"):
        value = manifest.get(key)
        found |= set(value) if isinstance(value, dict) else set()
    return found


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A JSON object. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid(f"{what} is no object")
    return value


def read(body: Any, name: str) -> Publication:
    """The publication of a body, for a package's address. Raises Invalid."""
    body = mapping(body, "the body")
    for key in ("name", "_id"):
        if key in body and body[key] != name:
            raise Invalid(
                f"the body's {key} is {str(body[key])[:100]}", expected=f"{name}, as in the address"
            )
    versions = mapping(body.get("versions"), "`versions`")
    if len(versions) != 1:
        raise Invalid(f"{len(versions)} versions with one tarball", expected="one version in a request")
    ((version, manifest),) = versions.items()
    names.read_version(version)
    manifest = mapping(manifest, f"version {version}")
    if (manifest.get("name"), manifest.get("version")) != (name, version):
        raise Invalid("the version names another package or version", expected=f"{name} {version}")
    digests = _digests(mapping(manifest.get("dist", {}), "`dist`"))
    kept = {key: value for key, value in manifest.items() if key not in _OURS}
    if len(json.dumps(kept)) > MOST_MANIFEST:
        raise Invalid(
            "what the version says of itself is too long", expected=f"at most {MOST_MANIFEST} bytes"
        )
    readme = body.get("readme") or manifest.get("readme")
    return Publication(
        name,
        version,
        kept,
        digests,
        _length(body, name, version),
        _tags(body, version),
        readme[:MOST_README] if isinstance(readme, str) else "",
    )


def _length(body: Mapping[str, Any], name: str, version: str) -> int | None:
    ((file, attachment),) = mapping(body["_attachments"], "`_attachments`").items()
    if file not in (f"{name}-{version}.tgz", names.file_name(name, version)):
        raise Invalid(f"the attachment is called {file[:200]!r}", expected=f"{name}-{version}.tgz")
    length = attachment.get("length")
    if length is not None and (not isinstance(length, int) or isinstance(length, bool)):
        raise Invalid("the attachment's length is no number")
    return length


def _tags(body: Mapping[str, Any], version: str) -> tuple[str, ...]:
    tags = mapping(body.get("dist-tags", {}), "`dist-tags`")
    if any(each != version for each in tags.values()):
        raise Invalid("a tag names another version than the one that is published", expected=version)
    return tuple(names.read_tag(each) for each in tags)


def _digests(dist: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    shasum, integrity = dist.get("shasum"), dist.get("integrity")
    if shasum is not None:
        found["sha1"] = str(shasum).lower()
    if integrity is None:
        return found
    for each in str(integrity).split():
        algorithm, _, encoded = each.partition("-")
        if algorithm not in ("sha512", "sha1") or found.get(algorithm, "") not in ("", _hex(encoded)):
            _no_integrity()
        found[algorithm] = _hex(encoded)
    if "sha512" not in found:
        _no_integrity()
    return found


def _hex(encoded: str) -> str:
    try:
        return base64.b64decode(encoded.partition("?")[0], validate=True).hex()
    except (binascii.Error, ValueError):
        _no_integrity()


def _no_integrity() -> NoReturn:
    raise Invalid("the integrity cannot be checked", expected="sha512- and the digest in base64")
