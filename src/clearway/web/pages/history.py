"""What changes between two points of a history, what comes next and why, a release on its way."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from clearway import catalog, changes, releases
from clearway.kernel import ClearwayError, Conflict
from clearway.web.visit import Visit

MOST_SHOWN = 50


def coming(visit: Visit) -> Response:
    """What comes next, from the repository as it was last fetched."""
    name = visit.part("service")
    ref, channel = visit.query("ref") or "", visit.query("channel")
    found: changes.Proposed | None = None
    wrong: ClearwayError | None = None
    with visit.database.read() as uow:
        service = catalog.service(uow, name)
        try:
            found = changes.propose_version(uow, name, ref=ref, channel=_channel(channel))
        except ClearwayError as error:  # a taken tag, a broken fragment: the page says it, and what to do
            wrong = error
        values: dict[str, Any] = {
            "service": service,
            "rules": service.versioning or catalog.Versioning(),
            "found": found,
            "wrong": wrong,
            "ref": ref,
            "channel": channel or "",
            "most": MOST_SHOWN,
            "cuts": releases.cuts(uow, service=name, limit=8).items,
            "may_cut": visit.may(uow, "release:create", service=name)
            and visit.may(uow, "build:run", service=name),
        }
    return visit.page("next-version.html", **values)


def compare(visit: Visit) -> Response:
    """What one point of the history brings over another."""
    name = visit.part("service")
    asked = {key: visit.query(key) or "" for key in ("to", "since", "environment")}
    audience = visit.query("audience") or changes.AUDIENCES[0]
    values: dict[str, Any] = {**asked, "audience": audience, "audiences": changes.AUDIENCES}
    values |= {"notes": None, "wrong": None}
    with visit.database.read() as uow:
        values["service"] = catalog.service(uow, name)
        readable = visit.places(uow, "deployment:read")
        values["stops"] = [stop for stop in catalog.route_of(uow, name).environments if stop in readable]
        values["versions"] = [each.version for each in releases.releases(uow, service=name, limit=50).items]
        try:
            if asked["since"] or asked["environment"]:
                found = releases.compare(uow, visit.actor, name, **asked)
                page = changes.outline(found, audience)
                values |= {
                    "notes": found,
                    "page": page,
                    "markdown": changes.render(found, "markdown", audience),
                }
        except ClearwayError as error:  # an unknown name: the form stays, to say another
            values["wrong"] = error
    return visit.page("compare.html", **values)


def cut(visit: Visit) -> Response:
    """Begin the release that the page showed; another one, because somebody pushed, is shown first."""
    name, seen = visit.part("service"), visit.said("version", 200)
    ref, channel = visit.said("ref", 200), _channel(visit.said("channel", 40) or None)
    found = releases.propose_cut(visit.database, visit.actor, name, ref=ref, channel=channel)
    version = found.next.version.text if found.next.version else None
    if version != seen or found.commit != visit.said("commit", 64):
        now = f"{version or 'no new version'} of commit {found.commit[:10]}"
        raise Conflict(
            f"the repository moved on: {now} comes next now",
            todo="Go back, and look at it again.",
        )
    with visit.database.begin() as uow:
        made = releases.cut(uow, visit.actor, found, visit.said("reason"))
    return visit.go(f"/cuts/{made.id}", f"{made.version} is on its way.")


def show(visit: Visit) -> Response:
    """One release on its way."""
    with visit.database.read() as uow:
        found = releases.one_cut(uow, visit.part("id"))
    return visit.page("parts/cut-live.html" if visit.partial else "cut.html", cut=found)


def _channel(said: str | None) -> str | None:
    """What the form says: nothing, as the branch says; `final`, no prerelease; else the channel."""
    return "" if said == "final" else said
