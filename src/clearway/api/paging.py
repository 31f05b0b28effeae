"""`?cursor=&limit=` in, `items`, `next_cursor` and a Link header out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from clearway.storage import Page, UnitOfWork, decode_cursor, encode_cursor

from .ask import Ask

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=300, description="Where the page starts: an earlier next_cursor.")
]


def paged(items: Sequence[T], key: Callable[[T], str], cursor: str | None, limit: int) -> Page[T]:
    """A page of a list that is short enough to be read whole; its order is that of the key."""
    ordered = sorted(items, key=key)
    if cursor is not None:
        after = str(decode_cursor(cursor))
        ordered = [item for item in ordered if key(item) > after]
    more = encode_cursor(key(ordered[limit - 1])) if len(ordered) > limit else None
    return Page(ordered[:limit], more)


def read_page(
    ask: Ask, look: Callable[[UnitOfWork], Page[Any]], *, show: Callable[[Any], Any] | None = None
) -> Response:
    """Answer with one page."""
    links: dict[str, str] = {}

    def page(uow: UnitOfWork) -> Mapping[str, Any]:
        found = look(uow)
        if found.next_cursor:
            links["Link"] = f'<{_next(ask.request, found.next_cursor)}>; rel="next"'
        return {
            "items": [show(item) for item in found.items] if show else list(found.items),
            "next_cursor": found.next_cursor,
        }

    answer = ask.read(page)
    answer.headers.update(links)
    return answer


def _next(request: Request, cursor: str) -> str:
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*query, ('cursor', cursor)])}"
