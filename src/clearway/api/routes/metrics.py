"""The DORA figures, and what was sent to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import metrics
from clearway.api.ask import Asked
from clearway.api.guard import Guarded, needs
from clearway.api.shown import shown
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["metrics"])


@router.get("/metrics/dora", **needs("metrics:read", "Dora", errors=(404,)))
def dora(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100, description="All of them when left out.")] = None,
    environment: Annotated[str | None, Query(max_length=100, description="Production when left out.")] = None,
    days: Annotated[int | None, Query(ge=1, le=3650, description="How far back; 30 when left out.")] = None,
    zone: Annotated[str, Query(max_length=60, description="Whose days are counted.")] = "UTC",
) -> Response:
    """The five figures with the ids behind each; one report for each service, never blended."""

    def look(uow: UnitOfWork) -> dict[str, Any]:
        start = uow.now() - timedelta(days=days) if days else None
        if service is None:
            return {"reports": shown(metrics.dora_all(uow, environment, start=start, zone=zone))}
        return dict(shown(metrics.dora(uow, service, environment, start=start, zone=zone)))

    return ask.read(look)
