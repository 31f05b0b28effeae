"""What git and webhooks are given for a repository: sealed, counted, never shown again."""

from __future__ import annotations

import json
from datetime import timedelta

from clearway import access, catalog, ledger
from clearway.kernel import Actor, Invalid, NotFound, Refused
from clearway.source import store
from clearway.source.credentials import KINDS, Access, Credential, Kind, check_secret, host_of
from clearway.source.ports import Cipher
from clearway.storage import UnitOfWork

#: How long a webhook's former secret is still taken after it was replaced: time to tell the forge.
FORMER_SECRET = timedelta(hours=24)


def set_credential(
    uow: UnitOfWork,
    actor: Actor,
    repository: str,
    kind: Kind,
    value: str,
    *,
    username: str = "",
    reason: str = "",
) -> Credential:
    """Seal what git (or a webhook) is given for a declared repository; the former one goes.

    A webhook's former secret is taken for another day. Raises Refused, NotFound, Invalid.
    """
    access.require(uow, actor, "secret:write")
    known = _declared(uow, repository)
    if kind not in KINDS:
        raise Invalid(f"{kind!r} is no kind of credential", expected=", ".join(KINDS))
    host = check_secret(kind, value, username, known.location)
    versions = [each.version for each in store.credentials_of(uow, repository) if each.kind == kind]
    new = Credential(repository, kind, max(versions, default=0) + 1, host, actor.name, uow.now())
    told = {"username": username, "value": value} if kind == "password" else {"value": value}
    sealed = uow.tool(Cipher).encrypt(json.dumps(told).encode())
    store.add_credential(uow, new, sealed, keep=1 if kind == "webhook" else 0)
    if kind != "webhook" and store.state(uow, repository) is not None:
        store.save_state(uow, repository, next_at=uow.now())  # what failed without it is tried now
    _record(uow, actor, "credential.set", new, reason)
    return new


def remove_credential(uow: UnitOfWork, actor: Actor, repository: str, kind: Kind, reason: str = "") -> None:
    """Forget a credential, a webhook's former secret too. Raises Refused, NotFound."""
    access.require(uow, actor, "secret:write")
    found = [each for each in store.credentials_of(uow, repository) if each.kind == kind]
    if not found:
        raise NotFound(f"{repository} has no {kind}", expected=", ".join(KINDS))
    store.drop_credential(uow, repository, kind)
    _record(uow, actor, "credential.removed", found[0], reason)


def credentials(uow: UnitOfWork, repository: str) -> tuple[Credential, ...]:
    """The newest of each kind; what it says stays sealed."""
    newest: dict[str, Credential] = {}
    for each in store.credentials_of(uow, repository):
        newest.setdefault(each.kind, each)
    return tuple(newest.values())


def webhook_secrets(uow: UnitOfWork, repository: str) -> list[bytes]:
    """The secrets that a delivery may be signed with, newest first; none: no delivery is taken."""
    found = [
        (each, sealed) for each, sealed in store.sealed_credentials(uow, repository) if each.kind == "webhook"
    ]
    young = bool(found) and uow.now() < found[0][0].at + FORMER_SECRET
    return [_open(uow, sealed)["value"].encode() for _, sealed in found[: 2 if young else 1]]


def git_access(uow: UnitOfWork, repository: catalog.Repository) -> Access | None:
    """What git may use towards the repository's location. Raises Refused for a credential of another host."""
    host = host_of(repository.location)
    wanted = "ssh-key" if host.startswith("ssh://") else "password"
    found = next(
        (pair for pair in store.sealed_credentials(uow, repository.name) if pair[0].kind == wanted), None
    )
    if found is None:
        return Access(host_keys=repository.host_keys) if repository.host_keys else None
    credential, sealed = found
    if credential.host != host:
        raise Refused(
            f"the {wanted} of {repository.name} was set for {credential.host}, and the repository is at "
            f"{host or 'a path'} now",
            todo=f"Set it for the new location: clearway source credential set {repository.name} {wanted}",
        )
    told = _open(uow, sealed)
    if wanted == "ssh-key":
        return Access(ssh_key=told["value"], host_keys=repository.host_keys)
    return Access(username=told["username"], password=told["value"])


def _declared(uow: UnitOfWork, name: str) -> catalog.Repository:
    found = next((each for each in catalog.repositories(uow) if each.name == name), None)
    if found is None:
        raise NotFound(
            f"no Repository {name} is declared",
            expected=", ".join(each.name for each in catalog.repositories(uow)) or "one that was applied",
            todo="Apply a document of kind Repository first.",
        )
    return found


def _open(uow: UnitOfWork, sealed: bytes) -> dict[str, str]:
    told: dict[str, str] = json.loads(uow.tool(Cipher).decrypt(sealed))
    return told


def _record(uow: UnitOfWork, actor: Actor, action: str, each: Credential, reason: str) -> None:
    data = {"kind": each.kind, "version": each.version, "host": each.host}
    ledger.append(uow, actor, action, f"repository:{each.repository}", reason=reason, data=data)
