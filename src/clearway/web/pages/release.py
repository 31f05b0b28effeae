"""A release: what it is made of, what proves it, what is new in it, where it went, and where it may go."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from starlette.responses import Response

from clearway import artifacts, catalog, releases, source
from clearway.kernel import ClearwayError, NotFound
from clearway.web.pages.promotion import brief
from clearway.web.visit import Visit

KINDS = {
    artifacts.PROVENANCE: "Provenance: where, from what and how it was built",
    artifacts.SBOM: "SBOM: what is inside",
    artifacts.TEST_RESULT: "Test result",
    artifacts.REPRODUCED: "Built twice, same bytes",
    "https://clearway.dev/attestation/approval/v1": "Approval of a plan",
}


def index(visit: Visit) -> Response:
    """Releases, newest first."""
    service = visit.query("service")
    with visit.database.read() as uow:
        found = releases.releases(uow, service=service, after=visit.query("after"), limit=50)
    return visit.page("releases.html", found=found.items, following=found.next_cursor, service=service)


def show(visit: Visit) -> Response:
    """One release."""
    service, version = visit.part("service"), visit.part("version")
    with visit.database.read() as uow:
        found = releases.release(uow, service, version)
        try:
            notes = releases.notes(uow, service, version)
        except NotFound:
            notes = None
        held = artifacts.evidence_of(uow, [found.digest, *(each.digest for each in found.artifacts)])
        places = visit.places(uow, "promotion:read")
        went = releases.promotions(uow, service=service, version=version, limit=100).items
        stops = list(catalog.route_of(uow, service).environments)
        able = visit.places(uow, "promotion:create")
    return visit.page(
        "release.html",
        release=found,
        notes=notes,
        evidence=[_proof(each, {a.digest: a.name for a in found.artifacts}) for each in held],
        went=[each for each in went if each.environment in places],
        stops=[stop for stop in stops if stop in able],
    )


def _proof(each: artifacts.Evidence, names: dict[str, str]) -> dict[str, Any]:
    predicate = each.statement.get("predicate", {})
    kind = KINDS.get(each.predicate_type, each.predicate_type.removeprefix("https://"))
    return {"evidence": each, "kind": kind, "says": predicate, "about": names.get(each.subject_digest, "")}


def plan(visit: Visit) -> Response:
    """What promoting it would do: nothing is written until somebody asks for it."""
    service, version, environment = visit.part("service"), visit.part("version"), visit.part("environment")
    with visit.database.read() as uow:
        made = releases.dry_run(uow, visit.actor, service, version, environment)
        brought = brief(visit, uow, service, version, made.content.replaces_digest)
    shown = made.to_json()
    return visit.page(
        "plan.html",
        service=service,
        version=version,
        environment=environment,
        predicted=shown,
        plan=shown["content"],
        gates=shown["gates"]["verdicts"],
        **brought,
    )


def promote(visit: Visit) -> Response:
    """Ask for it."""
    service, version, environment = visit.part("service"), visit.part("version"), visit.part("environment")
    with suppress(ClearwayError):  # what is wrong, the promotion says
        source.check(visit.database, service)
    with visit.database.read() as before:
        releases.ahead_of_promotion(before, service, version, environment)
    with visit.database.begin() as uow:
        made = releases.promote(uow, visit.actor, service, version, environment, visit.said("reason"))
    visit.request.app.state.snapshot.forget()
    return visit.go(f"/promotions/{made.id}", "Asked for.")
