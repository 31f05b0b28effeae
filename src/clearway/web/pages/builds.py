"""Builds: the list, and one build; its log is in `logs`."""

from __future__ import annotations

from starlette.responses import Response

from clearway import build, catalog
from clearway.web.timeline import timeline
from clearway.web.visit import Visit


def index(visit: Visit) -> Response:
    """Builds, newest first."""
    service, status = visit.query("service"), visit.query("status")
    with visit.database.read() as uow:
        found = build.list(uow, service=service, status=status, after=visit.query("after"), limit=50)
        places = build.spots(uow, [each.id for each in found.items if each.status == "queued"])
    template = "parts/builds.html" if visit.partial else "builds.html"
    return visit.page(
        template,
        builds=found.items,
        places=places,
        following=found.next_cursor,
        filters={"service": service, "status": status},
    )


def trusted(visit: Visit) -> Response:
    """Other CI systems whose jobs may vouch for what they built."""
    with visit.database.read() as uow:
        return visit.page("trusted-ci.html", found=catalog.trusted_cis(uow))


def show(visit: Visit) -> Response:
    """One build."""
    with visit.database.read() as uow:
        found = build.get(uow, visit.part("id"))
        may_run = visit.may(uow, "build:run", service=found.service)
        failing = build.failing_lines(uow, found.id)
        reports = build.reports_of(uow, found.id)
        stages = build.stages(uow, found.id)
        attempts = build.reproductions(uow, build_id=found.id, limit=5).items
        spot = build.spot_of(uow, found.id) if found.status == "queued" else None
    template = "parts/build-live.html" if visit.partial else "build.html"
    return visit.page(
        template,
        build=found,
        spot=spot,
        may_run=may_run,
        failing=failing,
        reports=reports,
        attempts=attempts,
        rebuilt_words=build.WORDS,
        timeline=timeline(stages, visit.database.clock()),
    )


def again(visit: Visit) -> Response:
    """Do it again: what had not ended well, from a step on, or all of it."""
    with visit.database.begin() as uow:
        made = build.again(uow, visit.actor, visit.part("id"), anew=visit.said("anew") or None)
    return visit.go(f"/builds/{made.id}", "The build is queued.")


def cancel(visit: Visit) -> Response:
    """Stop it."""
    with visit.database.begin() as uow:
        build.cancel(uow, visit.actor, visit.part("id"), visit.said("reason"))
    return visit.go(f"/builds/{visit.part('id')}", "Asked to stop.")
