"""What belongs to an environment is shown to those who may read it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from clearway import access
from clearway.kernel import Actor
from clearway.storage import Page, UnitOfWork

T = TypeVar("T")


def readable(uow: UnitOfWork, actor: Actor, action: str) -> Callable[[str], bool]:
    """Whether the actor may read in an environment; asked once for each."""
    known: dict[str, bool] = {}

    def may(environment: str) -> bool:
        if environment not in known:
            known[environment] = access.may(uow, actor, action, environment=environment).allowed
        return known[environment]

    return may


def only_readable(
    uow: UnitOfWork, actor: Actor, action: str, page: Page[T], place: Callable[[T], str]
) -> Page[T]:
    """The page without what the actor may not read; the next page starts where it would anyway."""
    may = readable(uow, actor, action)
    return Page([item for item in page.items if may(place(item))], page.next_cursor)
