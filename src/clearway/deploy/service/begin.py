"""Starting a rollout, and saying beforehand what it will do."""

from __future__ import annotations

from clearway import ledger, workflow
from clearway.deploy import launch, store
from clearway.deploy.events import DeploymentStarted
from clearway.deploy.model import Deployment, Order, Running, Step
from clearway.deploy.strategies import plan_steps
from clearway.kernel import Actor, new_id
from clearway.storage import UnitOfWork


def steps(order: Order, current: Running | None) -> tuple[Step, ...]:
    """What a rollout of this order would do, from what runs now. Pure."""
    return plan_steps(order, current.order.instances if current else 0)


def begin(uow: UnitOfWork, actor: Actor, order: Order) -> Deployment:
    """Start a rollout in this transaction. Raises Conflict while another one moves in the same place."""
    previous_id = store.current(uow, order.service, order.environment)
    now = uow.now()
    deployment = Deployment(
        id=new_id("dep"),
        order=order,
        state="pending",
        previous_id=previous_id,
        stage=0,
        phase="start",
        phase_since=now,
        weights={},
        traffic_since=None,
        created_at=now,
        started_at=now,
        finished_at=None,
        outcome=None,
        reason=order.reason,
        judgement=None,
        measured={},
        look=0,
        revision=0,
        wake_at=now,
        actor=actor.name,
    )
    store.insert(uow, deployment)
    if store.listener(uow, order.service, order.environment) is None:
        port = launch.free_port(store.used_ports(uow), order.port_base)
        store.add_listener(uow, order.service, order.environment, port)
    adopted = _adopt_warm(uow, deployment) if order.kind == "rollback" else 0
    where = {"service": order.service, "environment": order.environment, "version": order.version}
    ledger.append(
        uow,
        actor,
        "deployment.started",
        f"deployment:{deployment.id}",
        reason=order.reason,
        digest=order.release_digest,
        data=where | {"kind": order.kind, "strategy": order.strategy.kind, "warm_instances": adopted},
    )
    args = {"deployment_id": deployment.id, "revision": 0}
    workflow.start(uow, "deploy.tick", f"{deployment.id}/0", args)
    uow.publish(DeploymentStarted(deployment.id, order.service, order.environment, order.version))
    return deployment


def _adopt_warm(uow: UnitOfWork, deployment: Deployment) -> int:
    """Instances of the same release and configuration that are still warm serve again; how many."""
    order = deployment.order
    rows = store.load_instances(
        uow,
        {
            "service": order.service,
            "environment": order.environment,
            "wanted": "running",
            "side": "main",
            "release_digest": order.release_digest,
        },
    )
    owners = store.load_many(uow, {each.deployment_id for each in rows})
    adopted = 0
    for each in rows:
        same = owners[each.deployment_id].order.config_digest == order.config_digest
        if each.deployment_id != deployment.previous_id and same:
            store.update_instance(uow, each.id, deployment_id=deployment.id, stop_after=None)
            adopted += 1
    return adopted
