"""Looking: rollouts, what runs, ports, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearway.deploy import store
from clearway.deploy.model import Deployment, Instance, Running, Serving
from clearway.deploy.strategies import back_stages, forward_stages
from clearway.storage import UnitOfWork


def deployment(uow: UnitOfWork, deployment_id: str) -> Deployment:
    """One rollout. Raises NotFound."""
    return store.load(uow, deployment_id)


def deployments(
    uow: UnitOfWork,
    *,
    service: str | None = None,
    environment: str | None = None,
    states: Sequence[str] = (),
    before: str | None = None,
    limit: int = 50,
) -> list[Deployment]:
    """Rollouts, newest first."""
    return store.find(
        uow, service=service, environment=environment, states=states, before=before, limit=limit
    )


def running(uow: UnitOfWork) -> list[Serving]:
    """Everything that serves, in two queries whatever the number of services; orders stay unread."""
    by_deployment: dict[str, list[Instance]] = {}
    for each in store.load_instances(uow, {"wanted": "running"}):
        by_deployment.setdefault(each.deployment_id, []).append(each)
    return [
        Serving(
            service=row.service,
            environment=row.environment,
            deployment_id=row.deployment_id,
            version=row.version,
            release_digest=row.release_digest,
            since=row.since,
            port=row.port or 0,
            instances=tuple(by_deployment.get(row.deployment_id, ())),
        )
        for row in store.all_current(uow)
    ]


def current(uow: UnitOfWork, service: str, environment: str) -> Running | None:
    """What serves one service in one environment; None when nothing was ever deployed there."""
    deployment_id = store.current(uow, service, environment)
    if deployment_id is None:
        return None
    row = store.load(uow, deployment_id)
    place = store.place(uow, service, environment)
    listener = store.listener(uow, service, environment)
    return Running(
        service=service,
        environment=environment,
        deployment_id=row.id,
        version=row.order.version,
        release_digest=row.order.release_digest,
        since=place.since if place else row.started_at,
        port=listener.port if listener else 0,
        instances=tuple(store.load_instances(uow, {"deployment_id": deployment_id, "wanted": "running"})),
        order=row.order,
    )


def find_instance(uow: UnitOfWork, instance_id: str) -> Instance | None:
    """An instance by its id, running or not."""
    found = store.load_instances(uow, {"id": instance_id})
    return found[0] if found else None


def listeners(uow: UnitOfWork) -> dict[tuple[str, str], int]:
    """The router's port for each service and environment."""
    return store.ports(uow)


def series(uow: UnitOfWork, deployment_id: str) -> list[dict[str, Any]]:
    """What was measured during a rollout, oldest first: `at`, `canary`, `baseline`, `weights`, `stage`."""
    return [{"at": row.at.isoformat(), **row.data} for row in store.load_samples(uow, deployment_id)]


def stages_shown(uow: UnitOfWork, row: Deployment) -> list[str]:
    """The stages that a rollout walks now, in words; `row.stage` counts into them."""
    old = store.load(uow, row.previous_id).order.instances if row.previous_id else 0
    stages = back_stages(old, row.order.version) if row.going_back else forward_stages(row.order, old)
    return [stage.text for stage in stages]
