"""Cutting a release: a version from history, its tag, its build, its manifest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Cut", "State"]

State = Literal["tagging", "building", "released", "failed"]


@dataclass(frozen=True)
class Cut:
    """One release on its way from a commit to a manifest. Its tag is never taken back."""

    id: str
    service: str
    commit: str
    version: str
    tag: str
    why: str  # why this version, or why it failed
    state: State
    requested_by: str
    requested_kind: str
    reason: str
    created_at: datetime
    build_id: str | None = None
    release_id: str | None = None
    finished_at: datetime | None = None

    @property
    def message(self) -> str:
        """What the tag says."""
        text = f"{self.service} {self.version}"
        return f"{text}\n\n{self.reason}" if self.reason else text

    @property
    def over(self) -> bool:
        """Whether nothing moves any more."""
        return self.state in ("released", "failed")
