"""What applying a document would change, shown before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Diff:
    """One object of a platform file against what is recorded; values never hold secrets."""

    kind: str  # the document's kind, such as "Environment"
    name: str
    action: Literal["create", "update", "delete", "none"]
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
