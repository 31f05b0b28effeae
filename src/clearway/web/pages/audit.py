"""The ledger: who did what, when, why; that nothing was changed afterwards; and the way back from a thing."""

from __future__ import annotations

from starlette.responses import Response

from clearway import catalog, ledger, releases
from clearway.kernel import ClearwayError, Conflict, Invalid, NotFound
from clearway.web.visit import Visit


def index(visit: Visit) -> Response:
    """Entries, newest first, with filters."""
    filters = {name: visit.query(name) for name in ("subject", "action", "actor")}
    with visit.database.read() as uow:
        found = ledger.entries(
            uow,
            subject=filters["subject"],
            action_prefix=filters["action"],
            actor=filters["actor"],
            after=visit.query("after"),
            limit=50,
            newest_first=True,
        )
        checkpoint = ledger.latest_checkpoint(uow)
        key = ledger.verifier_key(uow)
    return visit.page(
        "audit.html",
        entries=found.items,
        following=found.next_cursor,
        filters=filters,
        checkpoint=checkpoint,
        key=key,
    )


def verify(visit: Visit) -> Response:
    """Every hash computed again, now."""
    verdict = ledger.verify_in_steps(visit.database)
    return visit.page("parts/verdict.html" if visit.partial else "verify.html", verdict=verdict)


def entry(visit: Visit) -> Response:
    """One entry and the proof that it is in the ledger."""
    index = int(visit.part("index"))
    with visit.database.read() as uow:
        found = ledger.entries(uow, after=index - 1, limit=1).items
        if not found or found[0].index != index:
            raise NotFound(f"there is no entry {index}")
        proof = ledger.inclusion_proof(uow, index)
    return visit.page("entry.html", entry=found[0], proof=proof)


def where(visit: Visit) -> Response:
    """Where a commit, a ticket or a pull request runs, since when, and by which promotion."""
    subject, service = visit.query("of"), visit.query("service")
    found: list[releases.Where] = []
    problem: ClearwayError | None = None
    with visit.database.read() as uow:
        names = [each.name for each in catalog.services(uow)]
        if subject:
            try:
                found = releases.where(uow, visit.actor, subject[:300], service=service)
            except (NotFound, Conflict, Invalid) as error:
                problem = error
    return visit.page(
        "where.html",
        404 if problem else 200,
        subject=subject or "",
        service=service or "",
        services=names,
        found=found,
        problem=problem,
    )


def trace(visit: Visit) -> Response:
    """From anything that runs or was made back to who wrote it, who approved it, and what proves it."""
    subject = visit.query("of")
    found, problem = None, None
    if subject:
        with visit.database.read() as uow:
            try:
                found = releases.trace(uow, subject[:300])
            except NotFound as error:
                problem = error
    status = 404 if problem else 200
    return visit.page("trace.html", status, subject=subject or "", trace=found, problem=problem)
