"""What the router should do, from the rows, and telling it."""

from __future__ import annotations

import threading

from clearway.storage import Database, UnitOfWork

from . import store
from .ports import Route, Router

# Rows are read and told under one lock: two threads must not tell the router an old state after a new one.
_telling = threading.Lock()


def routes(uow: UnitOfWork) -> list[Route]:
    """Every listener with its groups and weights; a group without instances takes no traffic."""
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for each in store.load_instances(uow, {"wanted": "running", "status": ["healthy", "unhealthy"]}):
        place = groups.setdefault((each.service, each.environment), {})
        place.setdefault(each.group, []).append(each.port)
    found = []
    for row in store.load_listeners(uow):
        place = groups.get((row.service, row.environment), {})
        weights = {group: weight for group, weight in row.weights.items() if group in place and weight}
        found.append(Route(f"{row.environment}/{row.service}", row.port, place, whole(weights)))
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


def tell_router(database: Database) -> None:
    """Make the router do what the rows say. Raises Retry when it does not confirm."""
    with _telling:
        with database.read() as uow:
            wanted = routes(uow)
        database.tool(Router).apply(wanted)
