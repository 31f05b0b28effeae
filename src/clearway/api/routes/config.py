"""Configuration: what each layer says. `*` stands for every service, or every environment."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clearway import access, catalog, config
from clearway.api.ask import Ask, Asked
from clearway.api.bodies import SecretBody, ValueBody
from clearway.api.guard import Guarded, needs
from clearway.api.shown import shown
from clearway.kernel import Invalid, NotFound
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1/config", route_class=Guarded, tags=["config"])


@router.get("/{service}/{environment}", **needs("config:read", "ConfigEntries", errors=(404,)))
def values(ask: Asked, service: str, environment: str) -> Response:
    """What is set in every layer that reaches a service in an environment; secrets without their value."""
    return ask.read(lambda uow: _values(uow, ask, service, environment))


@router.put("/{service}/{environment}", **needs("config:write", "ConfigEntries", errors=(404, 409, 412)))
def set_value(ask: Asked, service: str, environment: str, body: ValueBody) -> Response:
    """Set a plain value in one layer; null makes the layer say nothing about the key."""
    value = body.value
    if value is not None and not isinstance(value, str | int | float | bool):
        raise Invalid(f"{body.key} is not a plain value", expected="text, a number, true, false or null")

    def act(uow: UnitOfWork) -> dict[str, Any]:
        layer = (_layer(service), _layer(environment))
        if value is None:
            if not config.unset(uow, ask.actor, *layer, body.key, body.reason):
                raise _not_set(uow, layer, body.key)
        else:
            config.set_value(uow, ask.actor, *layer, body.key, value, body.reason)
        return _values(uow, ask, service, environment)

    return ask.write(act, current=lambda uow: _values(uow, ask, service, environment))


@router.put("/{service}/{environment}/secret", **needs("secret:write", "SecretSet", errors=(404, 409)))
def set_secret(ask: Asked, service: str, environment: str, body: SecretBody) -> Response:
    """Set a secret: encrypted at once, never shown again."""

    def act(uow: UnitOfWork) -> dict[str, Any]:
        layer = (_layer(service), _layer(environment))
        version = config.set_secret(uow, ask.actor, *layer, body.key, body.value, body.reason)
        return {"key": body.key, "service": layer[0], "environment": layer[1], "version": version}

    return ask.write(act, secret=True)


def _not_set(uow: UnitOfWork, layer: tuple[str | None, str | None], key: str) -> NotFound:
    set_here = [each for each in config.entries(uow, *layer) if (each.service, each.environment) == layer]
    keys = sorted(each.key for each in set_here)
    where = f"config for {layer[0] or '*'} in {layer[1] or '*'}"
    expected = f"one of {', '.join(keys)}" if keys else "a key that this layer sets; it sets none"
    return NotFound(f"this layer sets no value {key}", where=where, expected=expected)


def _layer(name: str) -> str | None:
    return None if name == "*" else name


def _values(uow: UnitOfWork, ask: Ask, service: str, environment: str) -> dict[str, Any]:
    access.require(uow, ask.actor, "config:read", environment=_layer(environment))
    if layer := _layer(service):
        catalog.service(uow, layer)
    if layer := _layer(environment):
        catalog.environment(uow, layer)
    found = config.entries(uow, _layer(service), _layer(environment))
    entries = [{**shown(each), "origin": each.origin} for each in sorted(found, key=lambda each: each.key)]
    return {"service": _layer(service), "environment": _layer(environment), "entries": entries}
