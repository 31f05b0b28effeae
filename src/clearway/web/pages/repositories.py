"""Repositories: where they are, how far they are known, which branches and tags moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from starlette.responses import Response

from clearway import catalog, source
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit

DELIVERIES = 20


def index(visit: Visit) -> Response:
    """Every repository."""
    with visit.database.read() as uow:
        found = source.repositories(uow)
    order = {"failing": 0, "not fetched yet": 1}
    found.sort(key=lambda each: (order.get(each.health, 2), each.name))
    return visit.page("parts/repositories-live.html" if visit.partial else "repositories.html", found=found)


def show(visit: Visit) -> Response:
    """One repository."""
    name = visit.part("name")
    with visit.database.read() as uow:
        moves = source.ref_history(uow, name, visit.query("after"), 50)
        values: dict[str, Any] = {
            "found": source.repository(uow, name),
            "moves": moves.items,
            "following": moves.next_cursor,
            "deliveries": deliveries(uow, name),
            "may_sync": visit.may(uow, "build:run"),
            "may_seal": visit.may(uow, "secret:write"),
            "credentials": source.kept_credentials(uow, visit.actor, name),
            "secret": "",
        }
    return visit.page("parts/repository-live.html" if visit.partial else "repository.html", **values)


def deliveries(uow: UnitOfWork, name: str) -> Sequence[source.Delivery]:
    """The newest of what a forge told; the rest is in the API."""
    return source.deliveries(uow, name, limit=DELIVERIES).items


def sync(visit: Visit) -> Response:
    """Have it fetched soon."""
    name = visit.part("name")
    with visit.database.begin() as uow:
        source.ask_for_sync(uow, visit.actor, name)
    return visit.go(f"/repositories/{name}", "It is being fetched.")


def seal(visit: Visit) -> Response:
    """Keep a credential, which is never shown again."""
    name, kind = visit.part("name"), visit.said("kind", 20)
    # The page's texts are cut and trimmed; a key must come as it was pasted.
    value = visit.form.get("value", "")
    with visit.database.begin() as uow:
        made = source.set_credential(
            uow,
            visit.actor,
            name,
            cast(Any, kind),
            value.strip("\r\n") if isinstance(value, str) else "",
            username=visit.said("username", 200),
            reason=visit.said("reason"),
        )
    return visit.go(f"/repositories/{name}", f"The {kind} is kept (version {made.version}).")


def forget(visit: Visit) -> Response:
    """Forget a credential."""
    name, kind = visit.part("name"), visit.part("kind")
    with visit.database.begin() as uow:
        source.remove_credential(uow, visit.actor, name, cast(Any, kind), visit.said("reason"))
    return visit.go(f"/repositories/{name}", f"The {kind} is forgotten.")


def violations(visit: Visit) -> Response:
    """What is against the rules of a service's branches."""
    name = visit.part("service")
    with visit.database.read() as uow:
        service = catalog.service(uow, name)
        found = source.checked(uow, name)
        rules = service.branching.all_rules(service.branch) if service.branching else ()
        values: dict[str, Any] = {"service": service, "found": found, "rules": rules}
        values["may_judge"] = visit.may(uow, "build:run", service=name)
    return visit.page("violations.html", **values)


def judge(visit: Visit) -> Response:
    """Fetch the repository, and judge its history now."""
    name = visit.part("service")
    source.sync(visit.database, name)
    found = source.check(visit.database, name)
    count = len(found.violations) if found else 0
    told = f"{count} against the rules." if count else "Nothing is against the rules."
    return visit.go(f"/services/{name}/violations", told)
