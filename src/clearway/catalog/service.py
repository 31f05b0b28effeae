"""Reading the catalog, and applying documents to it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn, TypeVar, cast

from pydantic import BaseModel

from clearway import access, ledger, policy
from clearway.kernel import Actor, Diff, Document, Invalid, NotFound, differences
from clearway.storage import UnitOfWork

from . import store
from .events import CatalogChanged, Removing
from .model import (
    KINDS,
    CatalogDocument,
    Environment,
    GateDocument,
    Pool,
    Route,
    Service,
    ServiceDocument,
    Team,
    cycle,
    dangling,
)
from .registry import Registry
from .repository import RECORDED, Repository
from .trusted_ci import TrustedCI

Record = TypeVar("Record", bound=Document)


def teams(uow: UnitOfWork) -> tuple[Team, ...]:
    """Every team, by name."""
    return _records(uow, "Team", Team)


def services(uow: UnitOfWork) -> tuple[Service, ...]:
    """Every service, by name."""
    return _records(uow, "Service", Service)


def repositories(uow: UnitOfWork) -> tuple[Repository, ...]:
    """Every declared repository, by name."""
    return _records(uow, "Repository", Repository)


def pools(uow: UnitOfWork) -> tuple[Pool, ...]:
    """Every declared pool, by name."""
    return _records(uow, "Pool", Pool)


def trusted_cis(uow: UnitOfWork) -> tuple[TrustedCI, ...]:
    """Every CI system whose jobs may vouch for something, by name."""
    return _records(uow, "TrustedCI", TrustedCI)


def registries(uow: UnitOfWork) -> tuple[Registry, ...]:
    """Every registry, by name."""
    return _records(uow, "Registry", Registry)


def registry(uow: UnitOfWork, name: str) -> Registry:
    """One registry. Raises NotFound."""
    return _one(uow, "Registry", Registry, name)


def routes(uow: UnitOfWork) -> tuple[Route, ...]:
    """Every route, by name."""
    return _records(uow, "Route", Route)


def gates(uow: UnitOfWork) -> tuple[policy.Gate, ...]:
    """Every gate, by name."""
    return _records(uow, "Gate", policy.Gate)


def environments(uow: UnitOfWork) -> tuple[Environment, ...]:
    """Every environment with its gates, in the order of pages."""
    key = ("catalog", "environments")
    if key not in uow.memo:
        rules = {gate.name: gate for gate in gates(uow)}
        found = []
        for spec in _specs(uow, "Environment").values():
            rest = {name: value for name, value in spec.items() if name not in ("type", "gates")}
            record = Environment.model_validate({**rest, "kind": spec["type"]})
            found.append(record.model_copy(update={"gates": tuple(rules[name] for name in spec["gates"])}))
        uow.memo[key] = tuple(sorted(found, key=lambda each: (each.order, each.name)))
    return cast(tuple[Environment, ...], uow.memo[key])


def team(uow: UnitOfWork, name: str) -> Team:
    """One team. Raises NotFound."""
    return _one(uow, "Team", Team, name)


def service(uow: UnitOfWork, name: str) -> Service:
    """One service. Raises NotFound."""
    return _one(uow, "Service", Service, name)


def environment(uow: UnitOfWork, name: str) -> Environment:
    """One environment with its gates. Raises NotFound."""
    found = next((each for each in environments(uow) if each.name == name), None)
    return found or _missing(uow, "Environment", name)


def route(uow: UnitOfWork, name: str) -> Route:
    """One route. Raises NotFound."""
    return _one(uow, "Route", Route, name)


def route_of(uow: UnitOfWork, service_name: str) -> Route:
    """The route that a service's releases travel. Raises NotFound."""
    return route(uow, service(uow, service_name).route)


def repository_of(uow: UnitOfWork, service_name: str) -> Repository:
    """The repository that a service comes from. Raises NotFound.

    One that no document declares has the service's name, and nobody looks at it unasked.
    """
    return _repository(service(uow, service_name), repositories(uow))


def repositories_of_services(uow: UnitOfWork) -> dict[str, Repository]:
    """The repository of every service, by the service's name."""
    declared = repositories(uow)
    return {each.name: _repository(each, declared) for each in services(uow)}


def _repository(known: Service, declared: Sequence[Repository]) -> Repository:
    named = next((each for each in declared if each.name == known.repository), None)
    return named or Repository(name=known.name, location=known.repository, poll=timedelta(0))


def plan_apply(uow: UnitOfWork, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """What applying the documents would change; documents of other rooms' kinds are left alone.

    With `prune`, what the documents do not name is deleted. Raises Invalid when the catalog as it would
    then be has a reference that leads nowhere, a cycle of dependencies, or a gate that is not one.
    """
    mine = [cast(CatalogDocument, doc) for doc in docs if isinstance(doc, tuple(KINDS.values()))]
    _refuse_twins(mine)
    found: list[Diff] = []
    after: list[CatalogDocument] = []
    for kind, model in KINDS.items():
        wanted = {doc.name: doc for doc in mine if doc.kind == kind}
        recorded = _specs(uow, kind)
        found += differences(kind, recorded, {name: _spec(doc) for name, doc in wanted.items()}, prune=prune)
        if not prune:
            kept = (name for name in recorded if name not in wanted)
            after += [
                cast(
                    CatalogDocument,
                    model.model_validate({"kind": kind, **recorded[name]}, context={RECORDED: True}),
                )
                for name in kept
            ]
        after += wanted.values()
    _refuse_broken(after, _evaluator(uow))
    return found


def apply(uow: UnitOfWork, actor: Actor, docs: Sequence[BaseModel], *, prune: bool = False) -> list[Diff]:
    """Make the catalog what the documents say, and record each change. The same again changes nothing.

    Raises Refused when the actor may not, Invalid as plan_apply, Conflict when something deleted is in use.
    """
    access.require(uow, actor, "platform:apply")
    found = plan_apply(uow, docs, prune=prune)
    for diff in found:
        if diff.action == "none":
            continue
        if diff.action == "delete":
            uow.publish(Removing(diff.kind, diff.name))
            store.remove(uow, diff.kind, diff.name)
        else:
            store.save(uow, diff.kind, diff.name, dict(diff.after or {}))
        past = {"create": "created", "update": "updated", "delete": "deleted"}[diff.action]
        ledger.append(
            uow,
            actor,
            f"{diff.kind.lower()}.{past}",
            f"{diff.kind.lower()}:{diff.name}",
            data={"changes": [[key, old, new] for key, old, new in diff.changes]},
        )
    for key in [key for key in uow.memo if isinstance(key, tuple) and key[0] == "catalog"]:
        del uow.memo[key]
    if changed := tuple(diff for diff in found if diff.action != "none"):
        uow.publish(CatalogChanged(changed))
    return found


def _specs(uow: UnitOfWork, kind: str) -> dict[str, dict[str, Any]]:
    key = ("catalog", "specs", kind)
    if key not in uow.memo:
        uow.memo[key] = store.load(uow, kind)
    return cast(dict[str, dict[str, Any]], uow.memo[key])


def _records(uow: UnitOfWork, kind: str, model: type[Record]) -> tuple[Record, ...]:
    key = ("catalog", "records", kind)
    if key not in uow.memo:
        uow.memo[key] = tuple(model.model_validate(spec) for spec in _specs(uow, kind).values())
    return cast(tuple[Record, ...], uow.memo[key])


def _one(uow: UnitOfWork, kind: str, model: type[Record], name: str) -> Record:
    key = ("catalog", "one", kind, name)
    if key not in uow.memo:
        spec = store.load_one(uow, kind, name)
        uow.memo[key] = model.model_validate(spec) if spec else _missing(uow, kind, name)
    return cast(Record, uow.memo[key])


def _missing(uow: UnitOfWork, kind: str, name: str) -> NoReturn:
    near = difflib.get_close_matches(name, _specs(uow, kind), n=3)
    raise NotFound(
        f"there is no {kind.lower()} `{name}`",
        expected=f"one that was applied, such as {', '.join(near)}" if near else "one that was applied",
    )


def _spec(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json", exclude={"kind"})


def _refuse_twins(docs: Sequence[CatalogDocument]) -> None:
    seen: dict[tuple[str, str], CatalogDocument] = {}
    for doc in docs:
        first = seen.setdefault((doc.kind, doc.name), doc)
        if first is not doc:
            message = f"{doc.kind} {doc.name} is declared twice"
            raise Invalid(
                f"{message}, first in {first.origin}" if first.origin else message,
                where=doc.origin or None,
                expected="one document for each",
            )


def _evaluator(uow: UnitOfWork) -> policy.Evaluator | None:
    port: Any = policy.Evaluator
    return uow.tool(port) if uow.has_tool(port) else None


def _refuse_broken(docs: Sequence[CatalogDocument], evaluator: policy.Evaluator | None) -> None:
    problems = [(doc.origin, message, expected) for doc, message, expected in dangling(docs)]
    for doc in docs:
        if isinstance(doc, GateDocument):
            try:
                policy.check(doc, evaluator)
            except Invalid as error:
                problems.append((doc.origin, error.message, error.expected or ""))
    by_name = {doc.name: doc for doc in docs if isinstance(doc, ServiceDocument)}
    loop = cycle({name: doc.depends_on for name, doc in by_name.items()})
    if loop:
        message = "services depend on each other in a circle: " + " -> ".join(loop)
        problems.append((by_name[loop[0]].origin, message, "dependencies without a circle"))
    if problems:
        where, message, expected = problems[0]
        rest = [f"{origin}: {text}; expected {want}".lstrip(": ") for origin, text, want in problems[1:20]]
        raise Invalid(
            "\n".join([f"{message}; expected {expected}", *rest]) if rest else message,
            where=where or None,
            expected=None if rest else expected,
            detail={"problems": [{"where": w, "message": m, "expected": e} for w, m, e in problems[:20]]},
        )
