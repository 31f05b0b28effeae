"""Reads which images a Containerfile starts from. Pure.

Rule: what is fetched is named by its digest. A tag is whatever its owner makes of it tomorrow, so a base that
is named by a tag, or by a variable, is refused with what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .model import BuildFailed

_DIGEST = re.compile(r"([\w.:/-]+?)(?::[\w.-]+)?@(sha256:[0-9a-f]{64})\Z")
_FROM = re.compile(r"FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*\Z", re.IGNORECASE)
_COPY = re.compile(r"(?:COPY|ADD)\s", re.IGNORECASE)
_COPIED = re.compile(r"--from=(\S+)")
_MOUNTED = re.compile(r"--mount=\S*?\bfrom=([^,\s]+)")


@dataclass(frozen=True)
class Base:
    """An image that a Containerfile names."""

    written: str  # as the file says it
    name: str  # without tag and digest
    digest: str

    @property
    def reference(self) -> str:
        """What is fetched."""
        return f"{self.name}@{self.digest}"


def bases(text: str) -> list[Base]:
    """The images in order, each once. Raises BuildFailed for one that is not named by its digest."""
    stages: set[str] = set()
    found: dict[str, Base] = {}
    for line in instructions(text):
        for written in _images(line, stages):
            found.setdefault(written, _base(written))
    return list(found.values())


def _images(line: str, stages: set[str]) -> list[str]:
    """The images that one instruction names; remembers the stage that it begins."""
    if begins := _FROM.match(line):
        written, stage = begins.groups()
        known = written == "scratch" or written.lower() in stages
        stages.add(str(len([each for each in stages if each.isdigit()])))
        if stage:
            stages.add(stage.lower())
        return [] if known else [written]
    if line.upper().startswith("FROM"):
        raise BuildFailed(f"`{line[:200]}` is not understood; expected FROM IMAGE [AS NAME]")
    named = _COPIED.findall(line) if _COPY.match(line) else []
    named += _MOUNTED.findall(line) if line.upper().startswith("RUN") else []
    return [each for each in named if each.lower() not in stages]


def _base(written: str) -> Base:
    if "$" in written:
        raise BuildFailed(
            f"the base {written} is a variable, so nobody knows what is fetched",
            todo="Write the image itself.",
        )
    match = _DIGEST.match(written)
    if match is None:
        raise BuildFailed(
            f"the base {written} is not named by its digest",
            todo=f"`skopeo inspect --format '{{{{.Digest}}}}' docker://{written}` tells it: "
            f"write {written}@sha256:…",
        )
    return Base(written, match[1], match[2])


def instructions(text: str) -> list[str]:
    """The instructions, each in one line, without comments."""
    found, open_line = [], ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.endswith("\\"):
            open_line += line[:-1] + " "
            continue
        found.append((open_line + line).strip())
        open_line = ""
    return [*found, open_line.strip()] if open_line.strip() else found


def with_local(text: str, local: Mapping[str, str]) -> str:
    """The file with other names for its images: those under which they lie in the build's own storage."""
    for written, name in local.items():
        text = re.sub(rf"(?<![\w./@:-]){re.escape(written)}(?![\w./@:-])", name, text)
    return text
