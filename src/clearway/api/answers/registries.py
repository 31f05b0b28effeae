"""Answers about registries and what is in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from clearway import catalog

from .shapes import Declared, Digest, Json, Paged, Person, Shape, When


class RegistryUsage(Shape):
    """How much is in a registry."""

    packages: int
    """Names."""
    files: int
    """Files."""
    size: int
    """Bytes, each file counted, though equal bytes are kept once."""
    changed_at: When | None
    """When a file last came; null: never."""


class Registry(catalog.Registry, Declared):
    """A place for packages of one format."""

    usage: RegistryUsage
    """How much is in it."""


class RegistryPage(Paged):
    """A page of registries."""

    items: list[Registry]
    """By name."""


class PackageNamePage(Paged):
    """A page of packages' names."""

    items: list[Annotated[str, Field(examples=["requests"])]]
    """In order."""


class PackageVersion(Shape):
    """A version, as its files show it."""

    version: str
    """The version."""
    files: int
    """How many files it has."""
    size: int
    """Their bytes."""
    at: When
    """When the first of them came here."""
    by: Person
    """Who brought that one."""


class PackageVersionList(Shape):
    """A package's versions and tags."""

    items: list[PackageVersion]
    """Newest arrival first; at most 5,000."""
    tags: dict[str, str]
    """What each tag names: a version or a digest."""


class PackageFile(Shape):
    """A file of a package."""

    path: str
    """Its address inside the registry."""
    version: str | None
    """The version that it belongs to; null: to none, as a layer does."""
    digest: Digest
    """SHA-256 of its bytes."""
    size: int
    """Bytes."""
    media_type: str
    """What it is."""
    by: Person
    """Who brought it."""
    at: When
    """When it came here."""
    facts: Json
    """What its format's clients are told of it."""


class PackageClosure(Shape):
    """Everything that belongs to a version."""

    registry: str
    """Where it is."""
    package: str
    """The package."""
    version: str
    """The version, tag or digest that was asked for."""
    size: int
    """Bytes of all files."""
    files: list[PackageFile]
    """Those of the version first, then what they name, and what is said about them."""
    evidence: dict[str, list[str]]
    """Ids of signed statements, by the digest that they speak of."""
    missing: list[str]
    """Evidence that the target asks for and some file of the version lacks."""
