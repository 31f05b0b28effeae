"""Taking what forges deliver: the delivery, the facts in it, and the wish to fetch stand or fall together."""

from __future__ import annotations

from dataclasses import replace

from clearway.kernel import Conflict, Retry, new_id
from clearway.source import delivery_store, store
from clearway.source.deliveries import KEPT, REFUSED_ID, Delivery, Outcome, Received
from clearway.source.pulls import PullRequest, approvers, combined
from clearway.source.service.following import want
from clearway.storage import Database, Page, UnitOfWork, decode_cursor, encode_cursor

FORGOTTEN_AT_ONCE = 500


def receive(uow: UnitOfWork, told: Received) -> Delivery:
    """Record a delivery with what it says, and have the repository fetched; one that is known is counted.

    Raises Conflict when its id came before with other bytes, Retry when another one was in the way.
    """
    new = _fresh(uow, told)
    if not delivery_store.claim(uow, new):
        return _again(uow, told)
    if told.fetch:
        # Before the facts: it holds the repository's row, so that of two deliveries at one moment neither
        # overwrites what the other told.
        want(uow, told.repository)
    outcome = told.outcome or _outcome(uow, told, new)
    if outcome != new.outcome:
        delivery_store.change(uow, new.id, outcome=outcome)
    return replace(new, outcome=outcome)


def _fresh(uow: UnitOfWork, told: Received) -> Delivery:
    return Delivery(
        id=new_id("dlv"),
        repository=told.repository,
        forge=told.forge,
        delivery_id=told.delivery_id,
        event=told.event,
        digest=told.digest,
        about=told.about,
        number=told.pull_request.number if told.pull_request else None,
        received_at=uow.now(),
        outcome=told.outcome or "fetch",
        error=told.error,
        times=1,
        last_at=uow.now(),
    )


def _again(uow: UnitOfWork, told: Received) -> Delivery:
    known = delivery_store.named(uow, told.repository, told.delivery_id)
    if known is None:  # forgotten this moment, after a year
        raise Retry(f"the delivery {told.delivery_id} was forgotten this moment")
    if known.digest != told.digest:
        raise Conflict(
            f"the delivery {told.delivery_id} of {told.repository} came before, with other content",
            todo="Nothing was changed. A forge never sends other content under one id: somebody else did.",
        )
    return replace(known, times=delivery_store.count_again(uow, known.id), last_at=uow.now())


def _outcome(uow: UnitOfWork, told: Received, new: Delivery) -> Outcome:
    if delivery_store.has_twin(uow, new):
        return "repeated"
    if told.pull_request is not None:
        return "recorded" if _record(uow, told.pull_request, told) else "outdated"
    return "fetch" if told.fetch else "ignored"


def _record(uow: UnitOfWork, pull: PullRequest, told: Received) -> bool:
    """Keep what is new in it; whether anything is."""
    delivery_store.add_reviews(uow, told.reviews)
    known = store.pull_request(uow, pull.repository, pull.number)
    found = combined(known, pull)
    said = delivery_store.reviews_of(uow, pull.repository, pull.number)
    found = replace(found, approvers=approvers(said, found.head))
    return found != known and store.save_pull_request(uow, found)


def note_refused(uow: UnitOfWork, repository: str, forge: str, error: str) -> None:
    """Remember that a delivery was refused: one row a repository, for whoever wonders why nothing comes."""
    before = delivery_store.named(uow, repository, REFUSED_ID)
    told = Received(repository, forge, REFUSED_ID, "", "", "", fetch=False, outcome="unsigned", error=error)
    times = before.times + 1 if before else 1
    delivery_store.replace(uow, replace(_fresh(uow, told), times=times))


def deliveries(
    uow: UnitOfWork, repository: str, *, after: str | None = None, limit: int = 50
) -> Page[Delivery]:
    """What came for a repository, newest first."""
    before = str(decode_cursor(after)) if after else None
    found = delivery_store.page(uow, repository, before, limit + 1)
    more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
    return Page(found[:limit], more)


def forget_deliveries(database: Database) -> int:
    """Forget deliveries that are older than anybody could have a use for; how many."""
    forgotten = 0
    while True:
        with database.begin() as uow:
            now = delivery_store.drop_older(uow, uow.now() - KEPT, FORGOTTEN_AT_ONCE)
        forgotten += now
        if now < FORGOTTEN_AT_ONCE:
            return forgotten
