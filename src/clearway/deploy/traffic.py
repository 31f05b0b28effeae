"""What the router should do, from the rows, and telling it."""

from __future__ import annotations

import logging
import threading

from clearway.kernel import Retry
from clearway.storage import Database, UnitOfWork

from . import store
from .ports import Route, Router

log = logging.getLogger("clearway.deploy")
# Rows are read and told under one lock: two threads must not tell the router an old state after a new one.
_telling = threading.Lock()


def routes(uow: UnitOfWork) -> list[Route]:
    """Every listener with its groups and weights; a group without instances takes no traffic."""
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    leaving: dict[tuple[str, str], dict[str, list[int]]] = {}
    alive = {"wanted": ["running", "draining"], "status": ["healthy", "unhealthy"]}
    for each in store.load_instances(uow, alive):
        kind = groups if each.wanted == "running" else leaving
        place = kind.setdefault((each.service, each.environment), {})
        place.setdefault(each.group, []).append(each.port)
    found = []
    for row in store.load_listeners(uow):
        place = groups.get((row.service, row.environment), {})
        weights = {group: weight for group, weight in row.weights.items() if group in place and weight}
        ends = leaving.get((row.service, row.environment), {})
        found.append(Route(route_name(row.service, row.environment), row.port, place, whole(weights), ends))
    return found


def whole(weights: dict[str, int]) -> dict[str, int]:
    """Weights that sum to 100 again after a group was lost; the greatest takes the rounding."""
    total = sum(weights.values())
    if total in (0, 100):
        return weights
    scaled = {group: weight * 100 // total for group, weight in weights.items()}
    greatest = max(scaled, key=lambda group: scaled[group])
    scaled[greatest] += 100 - sum(scaled.values())
    return scaled


def tell_router(database: Database, service: str = "", environment: str = "") -> None:
    """Make the router do what the rows say.

    Raises Retry when it does not confirm, or when the named place's own port cannot be opened: another
    place's trouble is only said.
    """
    with _telling:
        with database.read() as uow:
            wanted = routes(uow)
        closed = database.tool(Router).apply(wanted)
    mine = route_name(service, environment)
    for name, reason in closed.items():
        if name == mine:
            raise Retry(
                f"the router cannot serve {name}: {reason}",
                todo="End the program that holds the port; the rollout goes on by itself.",
            )
        log.warning("the router cannot serve %s: %s", name, reason)


def route_name(service: str, environment: str) -> str:
    """What the router calls a place."""
    return f"{environment}/{service}"
