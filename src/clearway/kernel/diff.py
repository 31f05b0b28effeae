"""What applying a document would change, shown before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    @property
    def changes(self) -> tuple[tuple[str, Any, Any], ...]:
        """Each key that differs, with its old and new value (None: not there), sorted by key."""
        return tuple(_changes("", self.before or {}, self.after or {}))


def differences(
    kind: str,
    recorded: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    prune: bool = False,
) -> list[Diff]:
    """What makes `recorded` into `wanted`; what is not wanted is deleted only with `prune`."""
    found = [
        Diff(kind, name, _action(recorded.get(name), after), recorded.get(name), after)
        for name, after in wanted.items()
    ]
    if prune:
        found += [
            Diff(kind, name, "delete", before) for name, before in recorded.items() if name not in wanted
        ]
    return found


def _action(
    before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> Literal["create", "update", "none"]:
    if before is None:
        return "create"
    return "none" if before == after else "update"


def _changes(
    prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(f"{prefix}{key}.", old, new)
        else:
            yield f"{prefix}{key}", old, new
