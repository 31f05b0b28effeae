"""Registries: where packages live, for whom, and how far a name in them can be trusted. Pure.

A *repository* is where source lives; a *registry* is where packages live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from clearway.kernel import Document, Name

Format = Literal["generic", "maven", "npm", "pypi"]
Mode = Literal["local", "group"]
Maturity = Literal["dev", "release"]
EvidenceName = Literal["provenance", "sbom", "tests", "reproduced", "rebuilt", "findings", "licences"]
Who = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Registry(Document):
    """A place for packages of one format."""

    name: Name
    """The registry's name, as it stands in its addresses."""
    format: Format
    """What its clients speak."""
    team: Name | None = None
    """The team that looks after it and whose quota it uses."""
    mode: Mode = "local"
    """`local` keeps what is pushed, `group` unites others."""
    maturity: Literal["dev", "release"] = "dev"
    """`release`: packages come by promotion or are pushed once, and never change. `dev`: what a format lets
    move may move, numbered versions never."""
    members: tuple[Name, ...] = Field(default=(), max_length=20)
    """Group only: registries, in order. A package's name belongs to the first that has it, with all of its
    versions."""
    anonymous: Literal["none", "read"] = "none"
    """`read`: whoever reaches the address may read, without a token."""
    readers: tuple[Who, ...] = Field(default=(), max_length=100)
    """Users and groups who may read; whoever may read artifacts when empty."""
    writers: tuple[Who, ...] = Field(default=(), max_length=100)
    """Users and groups who may push; whoever may write artifacts when empty."""
    promoters: tuple[Who, ...] = Field(default=(), max_length=100)
    """Users and groups who may promote into it; whoever may promote artifacts when empty."""
    requires: tuple[EvidenceName, ...] = ()
    """Evidence that each file of a version must have, signed by Clearway, before it is promoted into it."""
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    """What is in it."""

    @model_validator(mode="after")
    def _coherent(self) -> Registry:
        if (self.mode == "group") != bool(self.members):
            raise ValueError(f"`members` with mode {self.mode}; expected them for a group, and only there")
        if self.name in self.members or len(set(self.members)) != len(self.members):
            raise ValueError("a member twice, or the group itself; expected each other registry once")
        return self


class RegistryDocument(Registry):
    """`kind: Registry`."""

    kind: Literal["Registry"]


def misfits(registries: Iterable[Registry]) -> list[tuple[Registry, str, str]]:
    """Groups with members of another format, or groups in groups: who, what is wrong, what was expected."""
    everything: Sequence[Registry] = list(registries)
    known = {each.name: each for each in everything}
    found: list[tuple[Registry, str, str]] = []
    for group in everything:
        for member in (known[name] for name in group.members if name in known):
            if member.format != group.format:
                wrong = f"Registry {group.name} has the {member.format} registry {member.name} as a member"
                found.append((group, wrong, f"members of the format {group.format}"))
            elif member.mode == "group":
                wrong = f"Registry {group.name} has the group {member.name} as a member"
                found.append((group, wrong, "local registries"))
    return found
