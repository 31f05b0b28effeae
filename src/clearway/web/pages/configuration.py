"""Configuration: each value in each environment, and the layer that says so; secrets only as versions."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from clearway import access, catalog, config, releases
from clearway.kernel import NotFound
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit

# The layers of one place, the strongest last, as `config` resolves them.
LAYERS = ("default", "service", "environment", "service+environment")
WORDS = {
    "default": "default of the release",
    "service": "this service, everywhere",
    "environment": "every service here",
    "service+environment": "this service, here",
}


@dataclass(frozen=True)
class Cell:
    """One key in one environment."""

    value: config.Value | None = None  # None: nobody says anything
    entry: config.Entry | None = None  # what was set, when the value is no default
    problem: str = ""  # why a release could not run with it


def index(visit: Visit) -> Response:
    """Every service, to choose from."""
    wanted = (visit.query("q") or "").lower()
    with visit.database.read() as uow:
        found = [each for each in catalog.services(uow) if wanted in each.name.lower()]
        places = [
            each.name
            for each in catalog.environments(uow)
            if visit.may(uow, "config:read", environment=each.name)
        ]
        shared = {name: config.entries(uow, None, name) for name in places}
    return visit.page("configurations.html", services=found[:200], q=visit.query("q") or "", shared=shared)


def show(visit: Visit) -> Response:
    """One service: keys by environments."""
    name = visit.part("service")
    with visit.database.read() as uow:
        service = catalog.service(uow, name)
        stops = [
            stop
            for stop in catalog.route_of(uow, name).environments
            if visit.may(uow, "config:read", service=name, environment=stop)
        ]
        columns = {stop: _column(uow, name, stop) for stop in stops}
        schema = _schema(uow, name)
    keys = [*schema, *sorted({key for column in columns.values() for key in column} - set(schema))]
    return visit.page(
        "configuration.html",
        service=service,
        keys=keys,
        schema=schema,
        columns=columns,
        words=WORDS,
        version=next(iter(_latest(visit, name)), None),
    )


def _latest(visit: Visit, service: str) -> list[str]:
    with visit.database.read() as uow:
        return [each.version for each in releases.releases(uow, service=service, limit=1).items]


def _schema(uow: UnitOfWork, service: str) -> dict[str, catalog.ConfigKey]:
    """What the newest release asks for."""
    newest = releases.releases(uow, service=service, limit=1).items
    if not newest:
        return {}
    asked = newest[0].definition.get("config", {})
    return {key: catalog.ConfigKey.model_validate(value) for key, value in asked.items()}


def _column(uow: UnitOfWork, service: str, environment: str) -> dict[str, Cell]:
    """Every key in one environment, as the newest release would be given it."""
    schema = _schema(uow, service)
    resolved = config.resolve(uow, service, environment, schema)
    entries = {(each.key, each.origin): each for each in config.entries(uow, service, environment)}
    wrong = {each.key: each.message for each in resolved.problems}
    found: dict[str, Cell] = {}
    for key in schema:
        value = resolved.values.get(key)
        entry = entries.get((key, value.origin)) if value else None
        found[key] = Cell(value, entry, wrong.get(key, ""))
    for (key, _), entry in sorted(entries.items(), key=lambda each: LAYERS.index(each[1].origin)):
        if key not in schema:  # set, but the newest release does not read it
            secret = entry.version if entry.secret else None
            found[key] = Cell(config.Value(entry.value, entry.origin, secret), entry)
    return found


def history(visit: Visit) -> Response:
    """Every version of one key in every layer of one place: who set it, when and why."""
    service, environment, key = visit.part("service"), visit.part("environment"), visit.part("key")
    with visit.database.read() as uow:
        catalog.service(uow, service)
        catalog.environment(uow, environment)
        access.require(uow, visit.actor, "config:read", service=service, environment=environment)
        asked = _schema(uow, service).get(key)
        layers = [
            (WORDS["service+environment"], config.history(uow, service, environment, key)),
            (WORDS["environment"], config.history(uow, None, environment, key)),
            (WORDS["service"], config.history(uow, service, None, key)),
        ]
    if not any(found for _, found in layers):
        raise NotFound(f"nobody ever set {key} for {service} in {environment}")
    return visit.page(
        "configuration-key.html",
        service=service,
        environment=environment,
        name=key,
        layers=layers,
        hidden=asked is not None and asked.secret,
    )
