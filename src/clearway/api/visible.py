"""Who may see which ledger entry in the live stream."""

from __future__ import annotations

from collections.abc import Mapping

from clearway import access, catalog, ledger
from clearway.kernel import Actor
from clearway.storage import UnitOfWork

#: The permission that shows entries about a kind of subject; all others take ledger:read.
_READS: Mapping[str, str] = {
    "team": "platform:read",
    "service": "platform:read",
    "environment": "platform:read",
    "route": "platform:read",
    "gate": "platform:read",
    "build": "build:read",
    "artifact": "artifact:read",
    "release": "release:read",
    "promotion": "promotion:read",
    "deployment": "deployment:read",
    "incident": "incident:read",
}


class Reader:
    """What one actor may see, asked once for each kind and environment."""

    def __init__(self, uow: UnitOfWork, actor: Actor) -> None:
        self._uow = uow
        self._actor = actor
        self._all = access.may(uow, actor, "ledger:read").allowed
        self._known: dict[tuple[str, str | None], bool] = {}

    def sees(self, entry: ledger.Entry) -> bool:
        """Whether the actor may see this entry."""
        action = _READS.get(entry.subject.partition(":")[0])
        if self._all or action is None:
            return self._all
        place = entry.data.get("environment") if isinstance(entry.data, Mapping) else None
        key = (action, place if isinstance(place, str) else None)
        if key not in self._known:
            self._known[key] = self._may(*key)
        return self._known[key]

    def _may(self, action: str, place: str | None) -> bool:
        if place is not None:
            return access.may(self._uow, self._actor, action, environment=place).allowed
        if access.may(self._uow, self._actor, action).allowed:
            return True
        # An entry that names no environment is shown to those who may read it in all of them.
        places = catalog.environments(self._uow)
        return bool(places) and all(
            access.may(self._uow, self._actor, action, environment=each.name).allowed for each in places
        )
