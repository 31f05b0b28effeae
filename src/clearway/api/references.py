"""Names that documents of one room use for things of another.

A role for a mistyped environment would grant nothing, and a freeze of one would hold nothing, both without a
word. So whatever a document names has to be there, or to be declared beside it. Names inside the catalog, and
the users of roles, are checked by their own rooms.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import BaseModel

from clearway import access, catalog, config, releases
from clearway.kernel import Invalid
from clearway.storage import UnitOfWork

_Named = tuple[str, str, str]  # where it stands in the document, the kind of what it names, its name


def check(uow: UnitOfWork, documents: Sequence[BaseModel], *, prune: bool = False) -> list[Invalid]:
    """One error for each name that nothing has."""
    known = _known(uow, documents, prune=prune)
    return [
        _unknown(document, place, kind, name, known[kind])
        for document in documents
        for place, kind, name in _names(document)
        if name not in known[kind]
    ]


def _known(uow: UnitOfWork, documents: Sequence[BaseModel], *, prune: bool) -> Mapping[str, set[str]]:
    there: Mapping[str, Iterable[str]] = {
        "Environment": (each.name for each in catalog.environments(uow)),
        "Service": (each.name for each in catalog.services(uow)),
        "Team": (each.name for each in catalog.teams(uow)),
    }
    known: dict[str, set[str]] = {kind: set() if prune else set(names) for kind, names in there.items()}
    for document in documents:
        kind = getattr(document, "kind", "")
        if kind in known:
            known[kind].add(str(getattr(document, "name", "")))
    return known


def _names(document: BaseModel) -> Iterator[_Named]:
    if isinstance(document, access.RoleDocument):
        yield from (("environments", "Environment", name) for name in document.environments or ())
    elif isinstance(document, access.UserDocument):
        for number, role in enumerate(document.roles):
            place = f"roles[{number}].environments"
            yield from ((place, "Environment", name) for name in role.environments or ())
    elif isinstance(document, releases.CalendarDocument):
        scope = document.applies_to
        yield from (("applies_to.environments", "Environment", name) for name in scope.environments)
        yield from (("applies_to.services", "Service", name) for name in scope.services)
        yield from (("applies_to.teams", "Team", name) for name in scope.teams)
    elif isinstance(document, config.ConfigDocument):
        if document.environment:
            yield "environment", "Environment", document.environment
        if document.service:
            yield "service", "Service", document.service


def _unknown(document: BaseModel, place: str, kind: str, name: str, known: set[str]) -> Invalid:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    what = f"{getattr(document, 'kind', '')} {getattr(document, 'name', '')}".strip()
    return Invalid(
        f"{what}: `{place}` names the unknown {kind} {name}{hint}",
        where=getattr(document, "origin", "") or None,
        expected=f"a declared {kind}" + (f" ({', '.join(sorted(known)[:20])})" if known else ""),
    )
