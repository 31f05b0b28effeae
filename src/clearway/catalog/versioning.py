"""How a service's versions are made: the part of its document that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from clearway.kernel import (
    Document,
    Invalid,
    Level,
    Scheme,
    Version,
    check_channel,
    read_version,
    tokens,
)

from .branching import fits

FrontEnd = Literal["commits", "towncrier", "changesets", "labels"]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Folder = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_PREFIX = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.@/-]{0,98})?\Z")

DEFAULT_LABELS: dict[str, Level] = {
    "breaking": "major",
    "breaking-change": "major",
    "major": "major",
    "enhancement": "minor",
    "feature": "minor",
    "minor": "minor",
    "bug": "patch",
    "fix": "patch",
    "patch": "patch",
}


class BranchChannel(Document):
    """Branches whose versions are prereleases."""

    branch: str = Field(min_length=1, max_length=200)
    """The branch; `*` stands for any text, as in `next/*`."""
    channel: str = Field(min_length=1, max_length=40)
    """What their prereleases are called, such as rc or beta."""


class Versioning(Document):
    """How the next version follows from history."""

    scheme: Scheme = "semver"
    """semver, pep440, or calver."""
    calendar: str = Field(default="YYYY.0M.MICRO", min_length=2, max_length=60)
    """CalVer only: the format, in calver.org's words."""
    tag_prefix: str = Field(default="v", max_length=99)
    """What stands before the version in a tag; several packages of one repository need several."""
    initial: str = Field(default="0.1.0", max_length=100)
    """The first version, where no tag is one yet; CalVer starts with the date."""
    changes: FrontEnd = "commits"
    """What tells the changes: commits, towncrier's or changesets' files, labels of pull requests."""
    breaking_before_1: Literal["minor", "major"] = "minor"
    """What a breaking change raises while the version is 0.x; `major` leads to 1.0.0."""
    quiet: Literal["patch", "none"] = "patch"
    """What changes raise that are neither feature, fix nor breaking; `none`: they make no new version."""
    labels: dict[Label, Level] = Field(default=DEFAULT_LABELS)
    """With `changes: labels`: what each label of a pull request raises."""
    channels: tuple[BranchChannel, ...] = ()
    """Branches whose versions are prereleases; the first that fits counts."""
    include: tuple[Folder, ...] = ()
    """Folders besides the service's `path` whose changes are its own too, such as a shared library."""

    @model_validator(mode="after")
    def _usable(self) -> Versioning:
        if not _PREFIX.match(self.tag_prefix) or ".." in self.tag_prefix or "//" in self.tag_prefix:
            raise ValueError(f"`{self.tag_prefix[:60]}` begins no tag; expected such as v, or web/v")
        for folder in self.include:
            if folder.startswith("/") or ".." in folder.split("/"):
                raise ValueError(f"`{folder[:60]}` leaves the repository; expected a folder inside it")
        try:
            if self.scheme == "calver":
                tokens(self.calendar)
            elif read_version(self.scheme, self.initial) is None:
                raise ValueError(f"`{self.initial[:60]}` is no {self.scheme} version; expected such as 0.1.0")
            for each in self.channels:
                check_channel(self.scheme, each.channel)
        except Invalid as error:
            raise ValueError(f"{error.message}; expected {error.expected}") from None
        return self

    def version_of(self, tag: str) -> Version | None:
        """The version that a tag names; None when it names none of this service's."""
        if not tag.startswith(self.tag_prefix):
            return None
        return read_version(self.scheme, tag[len(self.tag_prefix) :], self.calendar)

    def highest(self, tags: Iterable[str]) -> str | None:
        """The text of the highest version among tags."""
        found = [version for tag in tags if (version := self.version_of(tag))]
        return max(found, key=lambda each: each.order).text if found else None

    def channel_of(self, branch: str) -> str:
        """The channel of a branch's versions; empty: they are final."""
        for each in self.channels:
            if fits(each.branch, branch):
                return each.channel
        return ""
