"""Rebuilds on a schedule: each service that asks for it has its newest build tried every so often."""

from __future__ import annotations

import logging

from clearway import catalog
from clearway.kernel import SYSTEM, ClearwayError
from clearway.storage import Database

from . import service, store

log = logging.getLogger("clearway.build")


def start_due(database: Database) -> None:
    """A chore: asks for what is due. What is under way already is not asked for twice."""
    with database.read() as uow:
        wanted = {each.name: each.reproduce.every for each in catalog.services(uow) if each.reproduce}
        asked = store.last_asked(uow, sorted(wanted))
        now = uow.now()
        due = [
            name for name, every in sorted(wanted.items()) if name not in asked or now - asked[name] >= every
        ]
        due = [name for name in due if service.newest_build(uow, name)]
    for name in due:
        try:
            with database.begin() as uow:
                service.request(uow, SYSTEM, service=name)
        except ClearwayError as error:
            log.warning("the rebuild of %s that is due cannot be asked for: %s", name, error)
