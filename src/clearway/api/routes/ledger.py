"""The ledger's entries."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import ledger
from clearway.api.ask import Asked
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page

router = APIRouter(prefix="/v1/ledger", route_class=Guarded, tags=["ledger"])


@router.get("/entries", **needs("ledger:read"))
def entries(
    ask: Asked,
    subject: Annotated[str | None, Query(max_length=300, description="Such as promotion:prm_01...")] = None,
    action: Annotated[str | None, Query(max_length=100, description="How the action begins.")] = None,
    actor: Annotated[str | None, Query(max_length=100)] = None,
    newest_first: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Who did what, when, why, to which digest."""
    return read_page(
        ask,
        lambda uow: ledger.entries(
            uow,
            subject=subject,
            action_prefix=action,
            actor=actor,
            after=cursor,
            limit=limit,
            newest_first=newest_first,
        ),
    )
