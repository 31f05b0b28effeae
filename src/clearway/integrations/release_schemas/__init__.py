"""Which configuration keys are secret, for the room that stores values: read from the newest releases."""

from __future__ import annotations

from clearway import releases
from clearway.storage import UnitOfWork


class ReleaseSchemas:
    """See config's port Schemas."""

    def secret_in(self, uow: UnitOfWork, service: str | None, key: str) -> str | None:
        """See Schemas."""
        for name, definition in releases.newest_definitions(uow, service).items():
            if definition.get("config", {}).get(key, {}).get("secret") is True:
                return name
        return None
