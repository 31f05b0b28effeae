"""Applying platform documents: every room's kinds, one diff, one transaction, every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from clearway import access, catalog, config, notices, releases
from clearway.kernel import Actor, Diff, DocumentError, Invalid, by_kind, load_documents
from clearway.storage import UnitOfWork

from . import references

MAX_FILES = 200
MAX_SHOWN = 50
_A_DOCUMENT = "at least one, beginning with `kind:`"


class Room(Protocol):
    """What a room that has documents of its own offers."""

    KINDS: Mapping[str, type[BaseModel]]

    def plan_apply(self, uow: UnitOfWork, docs: Sequence[BaseModel]) -> list[Diff]:
        """What applying would change."""

    def apply(self, uow: UnitOfWork, actor: Actor, docs: Sequence[BaseModel]) -> list[Diff]:
        """Apply, and say what changed."""


# In the order in which the documents need each other.
ROOMS: tuple[Any, ...] = (access, catalog, config, releases, notices)
_PRUNES = (catalog, config, releases, notices)  # people whom the files leave out are never deleted


@dataclass(frozen=True)
class Platform:
    """The documents of some files, all of them well formed."""

    documents: tuple[BaseModel, ...]

    def of(self, room: Any) -> list[BaseModel]:
        """Those that a room applies."""
        return [each for each in self.documents if isinstance(each, tuple(room.KINDS.values()))]


def kinds() -> dict[str, type[BaseModel]]:
    """Every kind of document, of all rooms."""
    return {name: model for room in ROOMS for name, model in room.KINDS.items()}


def read(files: Mapping[str, str], variables: Mapping[str, str]) -> Platform:
    """Parse every file. Raises Invalid that lists the problems of all of them."""
    if not files:
        raise Invalid("there is no file to apply", expected="at least one YAML file")
    if len(files) > MAX_FILES:
        raise Invalid(f"{len(files)} files at once", expected=f"at most {MAX_FILES}")
    pick = by_kind(kinds())
    found: list[BaseModel] = []
    errors: list[Invalid] = []
    for name in sorted(files):
        try:
            here = [document for document, _ in load_documents(files[name], name, pick, variables)]
            if not here:  # half written, or cut off: with pruning it would delete what it used to name
                errors.append(Invalid("no document is in this file", where=f"{name}:1", expected=_A_DOCUMENT))
            found += here
        except DocumentError as error:
            errors.append(error)
    _raise(errors)
    return Platform(tuple(found))


def plan(uow: UnitOfWork, platform: Platform, *, prune: bool = False) -> list[Diff]:
    """What applying would change. Raises Invalid that lists the problems of all rooms."""
    found: list[Diff] = []
    errors: list[Invalid] = []
    for room in ROOMS:
        try:
            found += room.plan_apply(uow, platform.of(room), **_options(room, prune))
        except Invalid as error:
            errors.append(error)
    _raise(errors + references.check(uow, platform.documents, prune=prune))
    return found


def apply(uow: UnitOfWork, actor: Actor, platform: Platform, *, prune: bool = False) -> list[Diff]:
    """Make the platform what the documents say; the same again changes nothing."""
    access.require(uow, actor, "platform:apply")
    plan(uow, platform, prune=prune)
    return [
        diff for room in ROOMS for diff in room.apply(uow, actor, platform.of(room), **_options(room, prune))
    ]


def _options(room: Any, prune: bool) -> dict[str, bool]:
    return {"prune": prune} if room in _PRUNES else {}


def _raise(errors: Sequence[Invalid]) -> None:
    """One error that says everything the given ones say."""
    if not errors:
        return
    if len(errors) == 1:
        raise errors[0]
    problems = [each for error in errors for each in _problems(error)]
    first = errors[0]
    raise Invalid(
        "\n".join([first.message, *(str(error) for error in errors[1:])]),
        where=first.where,
        expected=first.expected,
        detail={"problems": problems[:MAX_SHOWN]},
    )


def _problems(error: Invalid) -> list[Any]:
    listed = error.detail.get("problems")
    if listed:
        return list(listed)
    return [{"where": error.where or "", "message": error.message, "expected": error.expected or ""}]


def shown_diff(diff: Diff) -> dict[str, Any]:
    """A diff as the API shows it."""
    return {
        "kind": diff.kind,
        "name": diff.name,
        "action": diff.action,
        "changes": [{"key": key, "before": old, "after": new} for key, old, new in diff.changes],
    }
