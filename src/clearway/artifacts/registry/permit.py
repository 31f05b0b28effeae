"""Who may do what in a registry.

Rules:
1. Whoever a registry names must also hold a role that allows it; the names only narrow.
2. An anonymous reader is nobody: they read where the registry says so, and do nothing else.
3. Promoting and deleting are not writing: each is a permission of its own.
"""

from __future__ import annotations

from clearway import access, catalog
from clearway.catalog import Registry
from clearway.kernel import Actor, Refused, Unauthenticated
from clearway.storage import UnitOfWork

from . import store
from .model import Verb

ANONYMOUS = Actor("anonymous", "robot")


def require(uow: UnitOfWork, actor: Actor, registry: Registry, verb: Verb) -> None:
    """Returns when the actor may. Raises Refused; Unauthenticated when signing in could help."""
    if verb == "read" and registry.anonymous == "read":
        return
    if actor == ANONYMOUS:
        raise Unauthenticated(f"the registry {registry.name} needs a token for this")
    access.require(uow, actor, f"artifact:{verb}")
    named = {
        "read": (*registry.readers, *registry.writers, *registry.promoters) if registry.readers else (),
        "write": registry.writers,
        "promote": registry.promoters,
        "delete": registry.promoters,
    }[verb]
    if actor.kind == "system" or not named:
        return
    if actor.name in named or set(access.groups_of(uow, actor.name)) & set(named):
        return
    raise Refused(
        f"{actor.name} may not {verb} in {registry.name}: its document names others",
        todo=f"Ask {', '.join(named[:5])}, or whoever declares the platform.",
        detail={"policy": "registry"},
    )


def look_in(uow: UnitOfWork, registry: Registry, package: str) -> tuple[Registry, ...]:
    """Where a package of this name is looked for: the registry itself, or one member of a group.

    A group's name belongs to the first member that has it, and never to several: whoever publishes the name
    elsewhere would answer for ours.
    """
    if registry.mode != "group":
        return (registry,)
    members = [catalog.registry(uow, name) for name in registry.members]
    for each in members:
        if store.has_package(uow, each.name, package):
            return (each,)
    return ()
