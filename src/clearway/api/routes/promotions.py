"""Promotions: asking, signing, refusing, going back."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway import access, releases, source
from clearway.api.ask import Answer, Ask, Asked
from clearway.api.bodies import DecisionBody, PromotionBody, ReasonBody, RollbackBody
from clearway.api.guard import Guarded, needs
from clearway.api.paging import Cursor, Limit, read_page
from clearway.api.places import only_readable
from clearway.api.problems import refusal
from clearway.api.shown import shown
from clearway.kernel import ClearwayError
from clearway.storage import UnitOfWork

router = APIRouter(prefix="/v1", route_class=Guarded, tags=["promotions"])


@router.post(
    "/promotions",
    status_code=201,
    **needs("promotion:create", "Promotion", errors=(404, 409), also={200: "Plan"}),
)
def promote(
    ask: Asked,
    body: PromotionBody,
    dry_run: Annotated[
        bool, Query(description="The plan and each gate's answer; nothing is written.")
    ] = False,
) -> Response:
    """Send a release to an environment. 409 with the gates that refuse, and what would change their mind."""
    to = (body.service, body.version, body.environment)
    if dry_run:
        return ask.read(
            lambda uow: releases.dry_run(uow, ask.actor, *to, override_freeze=body.override_freeze)
        )

    with suppress(ClearwayError):  # what is wrong, the promotion says
        source.check(ask.database, body.service)
    with ask.database.read() as before:
        releases.ahead_of_promotion(before, *to)

    def act(uow: UnitOfWork) -> Answer:
        made = releases.promote(uow, ask.actor, *to, reason=body.reason, override_freeze=body.override_freeze)
        return _answer(made)

    return ask.write(act)


def _answer(made: releases.Promotion) -> Answer:
    location = f"/v1/promotions/{made.id}"
    if made.state != "refused":
        return Answer(shown(made), 201, location)
    verdicts = made.gates.get("verdicts", ())
    blocking = [each for each in verdicts if each["effect"] == "block" and each["answer"] != "yes"]
    problems = made.plan.get("problems", ())
    content = refusal(made.why, blocking, problems=list(problems), promotion=made.id, state=made.state)
    return Answer(content, 409, location)


@router.get("/promotions", **needs("promotion:read", "PromotionPage"))
def every(
    ask: Asked,
    service: Annotated[str | None, Query(max_length=100)] = None,
    version: Annotated[str | None, Query(max_length=100)] = None,
    environment: Annotated[str | None, Query(max_length=100)] = None,
    state: Annotated[list[str] | None, Query(max_length=20)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Promotions, newest first."""

    def look(uow: UnitOfWork) -> Any:
        page = releases.promotions(
            uow,
            service=service,
            version=version,
            environment=environment,
            states=tuple(state) if state else None,
            after=cursor,
            limit=limit,
        )
        return only_readable(uow, ask.actor, "promotion:read", page, lambda each: each.environment)

    return read_page(ask, look)


@router.get("/promotions/{promotion_id}", **needs("promotion:read", "Promotion", errors=(404,)))
def one(ask: Asked, promotion_id: str) -> Response:
    """One promotion with its plan, gates and approvals."""
    return ask.read(lambda uow: _one(uow, ask, promotion_id))


def _one(uow: UnitOfWork, ask: Ask, promotion_id: str) -> releases.Promotion:
    found = releases.promotion(uow, promotion_id)
    access.require(uow, ask.actor, "promotion:read", service=found.service, environment=found.environment)
    return found


@router.get(
    "/promotions/{promotion_id}/change-request", **needs("promotion:read", "ChangeRequest", errors=(404,))
)
def change_request(ask: Asked, promotion_id: str) -> Response:
    """The change request that governs it: reason, risk, impact, the way back."""

    def look(uow: UnitOfWork) -> Any:
        _one(uow, ask, promotion_id)
        return releases.change_request(uow, promotion_id)

    return ask.read(look)


@router.post(
    "/promotions/{promotion_id}/approve", **needs("promotion:approve", "Promotion", errors=(404, 409, 412))
)
def approve(ask: Asked, promotion_id: str, body: DecisionBody) -> Response:
    """Sign the plan that was read; 409 when it is not the present one any more."""
    return ask.write(
        lambda uow: releases.approve(
            uow, ask.actor, promotion_id, body.plan_hash, body.meaning, body.comment
        ),
        current=lambda uow: _one(uow, ask, promotion_id),
    )


@router.post(
    "/promotions/{promotion_id}/reject", **needs("promotion:reject", "Promotion", errors=(404, 409, 412))
)
def reject(ask: Asked, promotion_id: str, body: ReasonBody) -> Response:
    """Say no for good."""
    return ask.write(
        lambda uow: releases.reject(uow, ask.actor, promotion_id, body.reason),
        current=lambda uow: _one(uow, ask, promotion_id),
    )


@router.post(
    "/promotions/{promotion_id}/cancel", **needs("promotion:create", "Promotion", errors=(404, 409, 412))
)
def cancel(ask: Asked, promotion_id: str, body: ReasonBody) -> Response:
    """Take the request back."""
    return ask.write(
        lambda uow: releases.cancel(uow, ask.actor, promotion_id, body.reason),
        current=lambda uow: _one(uow, ask, promotion_id),
    )


@router.post("/rollbacks", status_code=201, **needs("deployment:rollback", "Promotion", errors=(404, 409)))
def rollback(ask: Asked, body: RollbackBody) -> Response:
    """Go back to the last good release of the place, or to a version that ran there."""
    return ask.write(
        lambda uow: _answer(
            releases.rollback(uow, ask.actor, body.service, body.environment, body.reason, body.to)
        )
    )
