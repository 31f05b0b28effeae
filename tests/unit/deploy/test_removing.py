"""What runs cannot lose its service or its environment."""

from __future__ import annotations

import pytest
from rollouts import World, order

from clearway import deploy
from clearway.catalog import Removing
from clearway.kernel import Conflict


@pytest.mark.parametrize(("kind", "field"), [("Service", "service"), ("Environment", "environment")])
def test_a_running_service_keeps_its_entry(world: World, kind: str, field: str) -> None:
    """Pruning what still runs is refused, and says what runs where."""
    made = world.begin(order("1.0.0"))
    world.run(made)
    name = getattr(world.row(made).order, field)
    with pytest.raises(Conflict, match="while something of it runs"), world.database.begin() as uow:
        deploy.on_removing(uow, Removing(kind, name))


@pytest.mark.parametrize(("kind", "name"), [("Service", "other"), ("Environment", "other"), ("Team", "shop")])
def test_what_nothing_runs_of_may_go(world: World, kind: str, name: str) -> None:
    """Only what runs is kept; other kinds are nobody's business here."""
    made = world.begin(order("1.0.0"))
    world.run(made)
    with world.database.begin() as uow:
        deploy.on_removing(uow, Removing(kind, name))
