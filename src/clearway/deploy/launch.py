"""Instances: their rows and ports, what they are told, and starting them."""

from __future__ import annotations

import logging
import secrets
import socket
from datetime import timedelta

from clearway import config, ledger
from clearway.kernel import SYSTEM, NotFound, Permanent, Retry, new_id
from clearway.storage import Blobs, Database, UnitOfWork

from . import store
from .model import Deployment, Instance, Order, Side
from .ports import Launch, Target

log = logging.getLogger("clearway.deploy")
PORTS = range(20_000, 32_000)  # below the range from which systems pick outgoing ports


def free_port(taken: set[int], wanted: int | None = None) -> int:
    """A loopback port that neither we nor anybody else uses now. Raises Retry when none is left."""
    # Anywhere in the range: two Clearways on one machine must not reach for the same port at the same time.
    start = secrets.randbelow(len(PORTS))
    ports: list[int] = [*([wanted] if wanted else []), *PORTS[start:], *PORTS[:start]]
    for port in ports:
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise Retry(
        f"no port between {PORTS.start} and {PORTS.stop} is free", todo="Stop what is not needed any more."
    )


def is_free(port: int) -> bool:
    """Whether a server could listen there now; connections that are ending do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def new_instances(
    uow: UnitOfWork, deployment: Deployment, order: Order, side: Side, count: int
) -> list[Instance]:
    """Rows for instances that are to be started, with ports of their own."""
    taken = store.used_ports(uow)
    owner = deployment.previous_id if side == "old" else deployment.id
    made = [
        Instance(
            id=new_id("ins"),
            deployment_id=owner or deployment.id,
            service=order.service,
            environment=order.environment,
            side="baseline" if side == "baseline" else "main",
            version=order.version,
            release_digest=order.release_digest,
            bundle_digest=order.bundle_digest,
            port=free_port(taken),
            wanted="running",
            status="new",
            started_at=uow.now(),
        )
        for _ in range(count)
    ]
    store.add_instances(uow, made)
    return made


def install(database: Database, bundle_digest: str) -> None:
    """Have the bundle unpacked on the target. Raises Permanent or Retry with words for people."""
    blobs, target = database.tool(Blobs), database.tool(Target)
    way_on = "Restore the artifact from a backup, or build the version again."
    try:
        if not blobs.verify(bundle_digest):
            raise Permanent(
                f"the stored bytes of {bundle_digest} changed on disk; they were not deployed", todo=way_on
            )
        place = blobs.path(bundle_digest)
    except NotFound as error:
        raise Permanent(f"the stored bytes of {bundle_digest} are gone", todo=way_on) from error
    if changed := target.install(bundle_digest, place):
        log.warning("installed bytes of %s were changed on disk: %s", bundle_digest, changed)
        with database.begin() as uow:
            ledger.append(
                uow,
                SYSTEM,
                "bundle.installed-again",
                f"bundle:{bundle_digest}",
                reason=f"installed bytes were changed on disk: {changed}"[:300],
                digest=bundle_digest,
            )


def start(database: Database, order: Order, instance: Instance) -> None:
    """Install its bundle and start it. Raises Permanent or Retry with words for people."""
    install(database, instance.bundle_digest)
    target = database.tool(Target)
    with database.read() as uow:
        variables = config.reveal(uow, config.Resolved.from_json(order.config)) if order.config else {}
    variables |= identity(order, instance)
    if order.process.port_env:
        variables[order.process.port_env] = str(instance.port)
    command = tuple(word.replace("{port}", str(instance.port)) for word in order.process.command)
    target.start(Launch(instance.id, instance.bundle_digest, command, instance.port, variables))


def identity(order: Order, instance: Instance) -> dict[str, str]:
    """Who the process is, so that it can be traced back from the outside."""
    return {
        "CLEARWAY_SERVICE": order.service,
        "CLEARWAY_ENVIRONMENT": order.environment,
        "CLEARWAY_VERSION": instance.version,
        "CLEARWAY_RELEASE": instance.release_digest,
        "CLEARWAY_DEPLOYMENT": instance.deployment_id,
        "CLEARWAY_INSTANCE": instance.id,
    }


def look_at(database: Database, order: Order, instance: Instance) -> Instance:
    """The instance with a fresh status; changes nothing."""
    from dataclasses import replace

    seen = database.tool(Target).observe(instance.id, instance.port, order.process.health.path)
    if seen.healthy:
        return replace(instance, status="healthy", pid=seen.pid, detail="")
    if seen.alive:
        status = "unhealthy" if instance.status in ("healthy", "unhealthy") else "starting"
        return replace(instance, status=status, pid=seen.pid, detail=seen.detail)  # type: ignore[arg-type]
    if instance.status == "new":
        return instance
    return replace(instance, status="dead", pid=None, detail=seen.detail)


def grace(order: Order) -> float:
    """Seconds between the request to stop and the kill."""
    return float((order.process.stop_grace or timedelta()).total_seconds())
