"""What runs where: every service in every environment, in a number of queries that does not grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from clearway import catalog, deploy
from clearway.releases import rollouts, store
from clearway.releases.model import Head
from clearway.storage import UnitOfWork


@dataclass(frozen=True)
class Cell:
    """One service in one environment."""

    on_route: bool
    version: str | None = None  # what runs
    release_digest: str | None = None
    promotion_id: str | None = None  # that brought it
    since: datetime | None = None
    deployment_id: str | None = None
    health: str | None = None  # as deploy sees it
    address: str | None = None  # where the router answers
    instances: tuple[deploy.Instance, ...] = ()
    moving: Mapping[str, Any] | None = None  # the open promotion that people should look at
    last: Mapping[str, Any] | None = None  # how the last one ended

    def to_json(self) -> dict[str, Any]:
        """The cell as JSON values."""
        return {
            **self.__dict__,
            "since": self.since.isoformat() if self.since else None,
            "instances": [rollouts.shown(each) for each in self.instances],
        }


@dataclass(frozen=True)
class Row:
    """One service."""

    service: str
    team: str
    route: str
    environments: Mapping[str, Cell]

    def only(self, names: Sequence[str]) -> Row:
        """The row with these environments alone."""
        if len(names) == len(self.environments):
            return self
        return replace(self, environments={name: self.environments[name] for name in names})

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        cells = {name: cell.to_json() for name, cell in self.environments.items()}
        return {"service": self.service, "team": self.team, "route": self.route, "environments": cells}


@dataclass(frozen=True)
class Overview:
    """Services by environments."""

    environments: tuple[str, ...]
    services: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """The overview as JSON values."""
        return {
            "environments": list(self.environments),
            "services": [row.to_json() for row in self.services],
        }


def overview(uow: UnitOfWork) -> Overview:
    """What runs where, what moves there, and how the last promotion ended."""
    environments = tuple(each.name for each in catalog.environments(uow))
    stops = {each.name: frozenset(each.environments) for each in catalog.routes(uow)}
    places = {(each.service, each.environment): each for each in store.places_of(uow)}
    running = rollouts.running(uow)
    moving: dict[tuple[str, str], Head] = {}
    for head in store.open_heads(uow):
        key = (head.service, head.environment)
        if key not in moving or moving[key].state != "deploying":
            moving[key] = head  # what deploys, else the newest that waits
    rows = []
    for service in catalog.services(uow):
        cells = {}
        for name in environments:
            key = (service.name, name)
            cells[name] = _cell(
                name in stops[service.route], places.get(key), running.get(key), moving.get(key)
            )
        rows.append(Row(service.name, service.team, service.route, cells))
    return Overview(environments, tuple(rows))


def _cell(on_route: bool, place: Any, runs: Any, head: Head | None) -> Cell:
    if place is None and runs is None and head is None:
        return OFF if not on_route else EMPTY
    last = None
    if place is not None:
        last = {"promotion": place.last_promotion, "state": place.last_state, "version": place.last_version}
    return Cell(
        on_route=on_route,
        version=runs.version if runs else place.version if place else None,
        release_digest=runs.release_digest if runs else place.release_digest if place else None,
        promotion_id=place.promotion_id if place else None,
        since=place.since if place else None,
        deployment_id=runs.deployment_id if runs else None,
        health=runs.health if runs else None,
        address=rollouts.address(runs) if runs else None,
        instances=runs.instances if runs else (),
        moving=_head(head) if head else None,
        last=last,
    )


def _head(head: Head) -> Mapping[str, Any]:
    return {
        "promotion": head.id,
        "state": head.state,
        "version": head.version,
        "why": head.why,
        "kind": head.kind,
        "deployment": head.deployment_id,
    }


EMPTY = Cell(on_route=True)
OFF = Cell(on_route=False)
