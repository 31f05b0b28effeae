"""Answers: what a build's tests and scanners left."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .shapes import Json, Shape


class Report(Shape):
    """One file that a build's tests or scanners left."""

    kind: Literal["junit", "coverage", "sarif"]
    """What it tells of."""
    name: Annotated[str, Field(examples=["reports/unit.xml"])]
    """Its path in the service's folder."""
    digest: Annotated[str, Field(examples=["sha256:" + "3f" * 32])]
    """The SHA-256 of its bytes; empty when they were not kept."""
    size: int
    """In bytes."""
    summary: Json
    """What it says, by its kind; empty when it could not be read."""
    error: str | None
    """Why it could not be read."""


class ReportList(Shape):
    """Every report of a build."""

    items: list[Report]
    """By kind and name."""
