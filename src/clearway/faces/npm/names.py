"""Names, versions and tags, by the rules of npm. Pure.

Rules:
1. A name is lower case ASCII of at most 214 characters, perhaps in a scope: nothing looks like another
   name and is not it. A new name without a scope differs from the others in more than `.`, `_`, `-`.
2. A version is SemVer as npm writes it: no `v`, no build metadata (npm drops it: it would name two things).
3. A tag is nothing that could be read as a range of versions, nor a name that JavaScript's objects have.
"""

from __future__ import annotations

import re
from typing import NoReturn

from semver import Version

from clearway.kernel import Invalid

MOST_NAME = 214  # characters
MOST_VERSION = 256
_NAME = re.compile(r"(?:@[a-z0-9][a-z0-9._-]*/[a-z0-9_-][a-z0-9._-]*|[a-z0-9-][a-z0-9._-]*)\Z")
_RESERVED = frozenset({"node_modules", "favicon.ico", "-"})
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}\Z")
_RANGE = re.compile(r"[vVxX](?:\Z|[0-9.])")
_INHERITED = frozenset({"constructor", "prototype", "toString", "valueOf", "hasOwnProperty"})
_LARGEST = 2**53 - 1  # what JavaScript counts to


def read_name(text: str) -> str:
    """A package's name. Raises Invalid."""
    if len(text) > MOST_NAME or not _NAME.match(text) or text in _RESERVED:
        raise Invalid(
            f"{text[:100]!r} is no name of a package",
            expected=f"lower case letters, digits, . _ and -, perhaps @scope/, at most {MOST_NAME}",
        )
    return text


def read_version(text: object) -> Version:
    """A version. Raises Invalid."""
    if not isinstance(text, str) or len(text) > MOST_VERSION or not text.isascii():
        _no_version(text)
    try:
        found = Version.parse(text)
    except ValueError:
        _no_version(text)
    if found.build is not None or max(found.major, found.minor, found.patch) > _LARGEST:
        _no_version(text)
    return found


def _no_version(text: object) -> NoReturn:
    raise Invalid(
        f"{str(text)[:100]!r} is no version", expected="SemVer without build metadata, such as 1.4.2-rc.1"
    )


def read_tag(text: str) -> str:
    """A dist-tag. Raises Invalid."""
    if not _TAG.match(text) or _RANGE.match(text) or text in _INHERITED:
        raise Invalid(
            f"{text[:100]!r} is no tag",
            expected="a letter, then letters, digits, . _ and -; nothing that reads as a range of versions",
        )
    return text


def file_name(name: str, version: str) -> str:
    """What a version's tarball is called."""
    return f"{name.rpartition('/')[2]}-{version}.tgz"


def address(name: str, version: str) -> str:
    """Where a version's tarball is in its registry."""
    return f"{name}/-/{file_name(name, version)}"


def squashed(name: str) -> str:
    """A name without what people do not see in it."""
    return re.sub(r"[._-]", "", name)
