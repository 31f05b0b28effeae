"""The one place that speaks with deploy: a release becomes an order, an order steps or a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearway import catalog, deploy
from clearway.config import Resolved
from clearway.kernel import Actor, Invalid, canonical
from clearway.storage import UnitOfWork

from .model import Kind, Release
from .plan import Step


def order(
    release: Release,
    environment: catalog.Environment,
    config: Resolved,
    kind: Kind,
    port_base: int | None = None,
) -> deploy.Order:
    """What deploy is asked to do; everything in it is fixed from here on."""
    definition = catalog.ServiceDefinition.model_validate_json(canonical(dict(release.definition)))
    if definition.process is None:
        raise Invalid(
            f"{release.service} {release.version} says nothing about running it",
            expected="`process` in its clearway.yaml",
        )
    return deploy.Order(
        service=release.service,
        environment=environment.name,
        version=release.version,
        release_digest=release.digest,
        bundle_digest=release.bundle_digest,
        process=definition.process,
        config=config.to_json(),
        instances=environment.instances,
        strategy=strategy_of(environment, kind),
        canary_metrics=definition.canary.metrics if definition.canary else (),
        kind=kind,
        port_base=port_base,
    )


def strategy_of(environment: catalog.Environment, kind: Kind) -> catalog.StrategySpec:
    """How the release takes over; a rollback is never a canary: it goes back at once."""
    strategy = environment.strategy or catalog.StrategySpec()
    if kind == "rollback" and strategy.kind == "canary":
        return catalog.StrategySpec(kind="blue-green", warm=strategy.warm)
    return strategy


def steps(uow: UnitOfWork, ordered: deploy.Order) -> tuple[Step, ...]:
    """What the deployment will do, in words."""
    now = deploy.current(uow, ordered.service, ordered.environment)
    return tuple(Step(each.kind, each.text) for each in deploy.steps(ordered, now))


def begin(uow: UnitOfWork, actor: Actor, ordered: deploy.Order, reason: str) -> str:
    """Start the deployment and return its id."""
    return deploy.begin(uow, actor, ordered.model_copy(update={"reason": reason})).id


def turn_back(uow: UnitOfWork, actor: Actor, deployment_id: str, reason: str) -> None:
    """Have a deployment that still moves go back. Raises Conflict when it moves no more."""
    deploy.abort(uow, actor, deployment_id, reason)


def running(uow: UnitOfWork) -> dict[tuple[str, str], deploy.Serving]:
    """What runs where, as deploy sees it, by service and environment."""
    return {(each.service, each.environment): each for each in deploy.running(uow)}


def address(runs: deploy.Running) -> str | None:
    """Where the router answers for it."""
    return f"http://127.0.0.1:{runs.port}" if runs.port else None


def shown(instance: deploy.Instance) -> Mapping[str, Any]:
    """An instance as JSON values."""
    stop = instance.stop_after
    return {
        **vars(instance),
        "started_at": instance.started_at.isoformat(),
        "stop_after": stop.isoformat() if stop else None,
    }
