"""What gates may ask about incidents; wiring binds it as a provider of facts."""

from __future__ import annotations

from typing import Any

from clearway.storage import UnitOfWork

from .service import open_count


class IncidentFacts:
    """Facts under the name `incidents`."""

    def facts(self, uow: UnitOfWork, service: str, environment: str) -> dict[str, Any]:
        """`incidents.open`: incidents of the service in the environment whose impact lasts."""
        return {"incidents": {"open": open_count(uow, service, environment)}}
