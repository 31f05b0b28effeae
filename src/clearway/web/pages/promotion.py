"""One promotion: its state in a sentence, its plan, its gates, its signatures, its rollout while it moves."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from clearway import access, deploy, incidents, releases
from clearway.kernel import NotFound
from clearway.storage import UnitOfWork
from clearway.web import people, rollout
from clearway.web.visit import Visit

MOST_BROUGHT = 8


def index(visit: Visit) -> Response:
    """Promotions, newest first."""
    service, environment, state = visit.query("service"), visit.query("environment"), visit.query("state")
    states = {
        "open": tuple(sorted(releases.OPEN)),
        "ended": tuple(sorted(releases.ENDED)),
    }.get(state or "", (state,) if state else None)
    with visit.database.read() as uow:
        places = visit.places(uow, "promotion:read")
        found = releases.promotions(
            uow,
            service=service,
            environment=environment,
            states=states,
            after=visit.query("after"),
            limit=50,
        )
    shown = [each for each in found.items if each.environment in places]
    return visit.page(
        "promotions.html",
        promotions=shown,
        following=found.next_cursor,
        filters={"service": service, "environment": environment, "state": state},
    )


def show(visit: Visit) -> Response:
    """The page; or its moving parts, for a page that is open."""
    with visit.database.read() as uow:
        values = _gather(visit, uow, visit.part("id"))
        if not visit.partial:  # commits do not move while the page is open
            found: releases.Promotion = values["promotion"]
            values |= brief(visit, uow, found.service, found.version, found.replaces_digest)
    if not visit.partial:
        return visit.page("promotion.html", renew=False, **values)
    renew = visit.query("form") != values["form_key"]
    return visit.page("parts/promotion-live.html", renew=renew, **values)


def _gather(visit: Visit, uow: UnitOfWork, promotion_id: str) -> dict[str, Any]:
    found = releases.promotion(uow, promotion_id)
    where = {"service": found.service, "environment": found.environment}
    access.require(uow, visit.actor, "promotion:read", **where)
    why_not = people.why_not(uow, visit.actor, found)
    rolled = deploy.deployment(uow, found.deployment_id) if found.deployment_id else None
    harm = []
    if rolled is not None and visit.may(uow, "incident:read", **where):
        since = incidents.opened_since(uow, found.service, found.environment, rolled.created_at)
        harm = [each for each in since if each.deployment_id == rolled.id]
    return {
        "promotion": found,
        "plan": found.plan["content"],
        "predicted": found.plan,
        "gates": found.gates.get("verdicts", []),
        "request": releases.change_request(uow, found.id),
        "why_not": why_not,
        "may_reject": found.state in releases.WAITING and visit.may(uow, "promotion:reject", **where),
        "may_cancel": found.state in releases.WAITING and visit.may(uow, "promotion:create", **where),
        "approvers": people.approvers(uow, found) if found.state in releases.WAITING else [],
        "form_key": f"{found.plan_hash[7:23]}.{'open' if found.state in releases.WAITING else 'shut'}"
        f".{len(found.approvals)}",
        "rollout": rollout.view(uow, rolled) if rolled else None,
        "harm": harm,
    }


def brief(visit: Visit, uow: UnitOfWork, service: str, version: str, replaces: str | None) -> dict[str, Any]:
    """What a promotion brings and takes away, in short: what breaks first. For who may read releases."""
    may = visit.may(uow, "release:read", service=service)
    notes = releases.brings(uow, service, version, replaces) if may else None
    told = () if notes is None else sorted(notes.changes, key=lambda each: not each.breaking)
    taken = () if notes is None else notes.removed
    return {"notes": notes, "brought": told[:MOST_BROUGHT], "taken": taken[:MOST_BROUGHT]}


def approve(visit: Visit) -> Response:
    """A signature under the plan that was shown."""
    name = visit.part("id")
    with visit.database.begin() as uow:
        releases.approve(
            uow, visit.actor, name, visit.said("plan_hash"), visit.said("meaning", 200), visit.said("comment")
        )
    return _back(visit, name, "Approved. Your signature is bound to the plan you saw.")


def reject(visit: Visit) -> Response:
    """A no, for good."""
    name = visit.part("id")
    with visit.database.begin() as uow:
        releases.reject(uow, visit.actor, name, visit.said("comment"))
    return _back(visit, name, "Rejected. To try again, ask for a new promotion.")


def cancel(visit: Visit) -> Response:
    """The request is taken back."""
    name = visit.part("id")
    with visit.database.begin() as uow:
        releases.cancel(uow, visit.actor, name, visit.said("comment"))
    return _back(visit, name, "Cancelled.")


def _back(visit: Visit, promotion_id: str, told: str) -> Response:
    visit.request.app.state.snapshot.forget()
    return visit.go(f"/promotions/{promotion_id}", told)


def of_deployment(visit: Visit) -> Response:
    """A deployment is shown where its promotion is."""
    with visit.database.read() as uow:
        found = releases.promotion_of_deployment(uow, visit.part("id"))
    if found is None:
        raise NotFound(f"no promotion ordered deployment {visit.part('id')}")
    return visit.go(f"/promotions/{found.id}")


def series(visit: Visit) -> Response:
    """What the charts draw, as columns."""
    with visit.database.read() as uow:
        found = deploy.deployment(uow, visit.part("id"))
        access.require(
            uow,
            visit.actor,
            "deployment:read",
            service=found.order.service,
            environment=found.order.environment,
        )
        return JSONResponse(rollout.columns(found, deploy.series(uow, found.id), rollout.course(uow, found)))
