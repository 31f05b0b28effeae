"""What waits for this person's signature, and what waits for somebody else's."""

from __future__ import annotations

from starlette.responses import Response

from clearway import releases
from clearway.web import people
from clearway.web.visit import Visit

MOST = 200


def show(visit: Visit) -> Response:
    """Both lists."""
    mine, others = [], []
    with visit.database.read() as uow:
        places = visit.places(uow, "promotion:read")
        # Many wait in the same place for changes of the same people: everybody is asked about once.
        known: dict[tuple[str, tuple[str, ...]], list[str]] = {}

        def able(each: releases.Promotion) -> list[str]:
            key = (each.environment, tuple(sorted(each.authors)))
            if key not in known:
                known[key] = people.approvers(uow, each)
            return known[key]

        waiting = releases.promotions(uow, states=("waiting-approval",), limit=MOST)
        for each in waiting.items:
            if each.environment not in places:
                continue
            why = people.why_not(uow, visit.actor, each)
            if why:
                others.append((each, why, able(each)))
            else:
                mine.append(each)
    template = "parts/approvals.html" if visit.partial else "approvals.html"
    return visit.page(template, mine=mine, others=others, more=waiting.next_cursor is not None)
