"""Who acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Actor:
    """A person, a robot account or Clearway itself. Groups and roles live in `access`."""

    name: str
    kind: Literal["person", "robot", "system"] = "person"
    via: str = field(default="", compare=False, kw_only=True)  # the token in use, for the ledger


SYSTEM = Actor("clearway", "system")
