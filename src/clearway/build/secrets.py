"""Secrets that build steps are given: sealed at rest, opened only for the step that names them.

Rules:
1. A build of what landed on the service's branch may have them; of anything else only when the secret says
   so. Who can push a branch could otherwise read them by changing clearway.yaml.
2. Values are opened right before the step, handed to the sandbox in memory, and masked in the log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from clearway import access, catalog, config, ledger
from clearway.kernel import Actor, Invalid, NotFound
from clearway.storage import Instant, UnitOfWork, metadata

MOST_BYTES = 64 << 10
LEAST = 4  # characters: a shorter one would mask half the log
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")

secret_table = sa.Table(
    "build_secret",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("anywhere", sa.Boolean, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", Instant, nullable=False),
)


@dataclass(frozen=True)
class Secret:
    """A secret as everybody may see it."""

    service: str
    name: str
    version: int  # counts how often it was set
    anywhere: bool  # given to builds of any branch and of work trees too
    set_by: str
    set_at: datetime


_FIELDS = tuple(Secret.__dataclass_fields__)


def set_secret(
    uow: UnitOfWork,
    actor: Actor,
    service: str,
    name: str,
    value: str,
    *,
    anywhere: bool = False,
    reason: str = "",
) -> Secret:
    """Seal a value under a name. Raises Refused, NotFound for the service, Invalid."""
    access.require(uow, actor, "secret:write", service=service)
    catalog.service(uow, service)
    if not _NAME.match(name):
        raise Invalid(f"{name[:80]!r} is no name of a secret", expected="letters, digits and _")
    if not LEAST <= len(value) <= MOST_BYTES or "\0" in value:
        raise Invalid(
            f"a secret of {len(value)} characters", expected=f"{LEAST} to {MOST_BYTES}, without NUL"
        )
    known = next((each for each in secrets(uow, service) if each.name == name), None)
    made = Secret(service, name, (known.version if known else 0) + 1, anywhere, actor.name, uow.now())
    _drop(uow, service, name)
    values = {field: getattr(made, field) for field in _FIELDS}
    sealed = uow.tool(config.Cipher).encrypt(value.encode())
    uow.connection.execute(sa.insert(secret_table).values(**values, sealed=sealed))
    _record(uow, actor, "build-secret.set", made, reason)
    return made


def remove_secret(uow: UnitOfWork, actor: Actor, service: str, name: str, reason: str = "") -> None:
    """Forget a secret. Raises Refused, NotFound."""
    access.require(uow, actor, "secret:write", service=service)
    known = next((each for each in secrets(uow, service) if each.name == name), None)
    if known is None:
        raise NotFound(f"{service} has no secret {name}", expected=_names(uow, service))
    _drop(uow, service, name)
    _record(uow, actor, "build-secret.removed", known, reason)


def secrets(uow: UnitOfWork, service: str) -> list[Secret]:
    """The secrets of a service by name, without their values. Raises NotFound for the service."""
    catalog.service(uow, service)
    columns = [secret_table.c[field] for field in _FIELDS]
    query = sa.select(*columns).where(secret_table.c.service == service).order_by(secret_table.c.name)
    return [Secret(*row) for row in uow.connection.execute(query)]


def open_secrets(uow: UnitOfWork, service: str, names: Sequence[str], *, landed: bool) -> dict[str, bytes]:
    """The values for one step. Raises NotFound for one never set, Invalid for one that this may not have.

    `landed`: whether what is built is part of the service's branch.
    """
    if not names:
        return {}
    query = sa.select(secret_table).where(secret_table.c.service == service, secret_table.c.name.in_(names))
    rows = {row.name: row for row in uow.connection.execute(query)}
    for name in names:
        if name not in rows:
            raise NotFound(
                f"the secret {name} of {service} was never set",
                expected=_names(uow, service),
                todo=f"Set it: clearway secret set {service} {name}",
            )
        if not landed and not rows[name].anywhere:
            raise Invalid(
                f"the secret {name} is only for what landed on the branch of {service}",
                todo=f"Merge first, or for every branch: clearway secret set {service} {name} --anywhere",
            )
    cipher = uow.tool(config.Cipher)
    return {name: cipher.decrypt(rows[name].sealed) for name in names}


def every_value(uow: UnitOfWork, service: str) -> list[bytes]:
    """What must not be in anything that is kept of a build of the service."""
    query = sa.select(secret_table.c.sealed).where(secret_table.c.service == service)
    sealed = uow.connection.execute(query).scalars().all()
    if not sealed:
        return []
    cipher = uow.tool(config.Cipher)
    return [cipher.decrypt(each) for each in sealed]


def _names(uow: UnitOfWork, service: str) -> str:
    return ", ".join(each.name for each in secrets(uow, service)) or "none is set"


def _drop(uow: UnitOfWork, service: str, name: str) -> None:
    where = (secret_table.c.service == service, secret_table.c.name == name)
    uow.connection.execute(sa.delete(secret_table).where(*where))


def _record(uow: UnitOfWork, actor: Actor, action: str, each: Secret, reason: str) -> None:
    data = {"name": each.name, "version": each.version, "anywhere": each.anywhere}
    ledger.append(uow, actor, action, f"service:{each.service}", reason=reason, data=data)
