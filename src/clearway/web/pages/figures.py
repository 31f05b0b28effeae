"""The five DORA figures: what they are, how they move, and what is behind each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from clearway import catalog, incidents, ledger, metrics
from clearway.kernel import Invalid, NotFound
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit

WEEKS = 8
Weeks = dict[str, list[dict[str, Any]]]
MOST = 500  # rows of one page
LEFT_OUT = {
    "no baseline": "the first deployment here: nothing ran before it from which its changes could be counted",
    "commits unknown": "its commits cannot be found in the repository any more",
    "ran already as a cherry-pick": "a commit whose change ran here before, as a cherry-pick",
    "the same patch twice": "a commit that came twice, on two merged branches",
    "clock skew": "committed after it ran, by the clocks",
    "contained: aborted before traffic": "stopped before it got any traffic, so no user met it",
    "rollbacks": "a rollback, which is no new change",
    "unresolved": "not restored yet, so it has no time",
    "not caused by a change": "an incident that no deployment caused",
    "intent rollback": "a rollback, which is no new change",
    "intent config-only": "changed configuration only",
    "intent flag-only": "changed a flag only",
    "rolled-back": "taken back",
    "failed-in-prod": "failed in production",
    "aborted-before-traffic": "stopped before it got any traffic",
}
COUNTED = ("deployment.started", "deployment.finished", "deployment.intent-declared")
NAMES = {
    "change_lead_time": ("Change lead time", "From commit to running in production", "less"),
    "deployment_frequency": ("Deployment frequency", "Successful deployments to production", "more"),
    "failed_deployment_recovery_time": (
        "Recovery time",
        "From a failed deployment to service restored",
        "less",
    ),
    "change_fail_rate": ("Change fail rate", "Deployments that were taken back or repaired", "less"),
    "deployment_rework_rate": ("Rework rate", "Deployments that were unplanned repairs", "less"),
}


def show(visit: Visit) -> Response:
    """The figures of one service and its production environment."""
    with visit.database.read() as uow:
        services = [each.name for each in catalog.services(uow)]
        counted = [name for name, _ in metrics.counted_places(uow)]
        chosen = visit.query("service") or next(iter([*counted, *services]), None)
        report, before = None, None
        weeks: Weeks = {}
        if chosen is not None:
            catalog.service(uow, chosen)
            report, before, weeks = _reports(uow, chosen)
    return visit.page(
        "figures.html",
        services=services,
        counted=set(counted),
        chosen=chosen,
        report=report,
        before=before,
        weeks=weeks,
        highest={name: _highest(bars) for name, bars in weeks.items()},
        names=NAMES,
    )


def _reports(uow: UnitOfWork, service: str) -> tuple[metrics.Report, metrics.Report, Weeks]:
    """The last 30 days, the 30 before, and each of the last weeks: one read for all of them."""
    window = metrics.default_window(uow.now())
    begin, length = window.start, window.end - window.start
    end = uow.now() + timedelta(seconds=1)
    weeks = [(end - timedelta(weeks=ago + 1), end - timedelta(weeks=ago)) for ago in reversed(range(WEEKS))]
    spans = [(begin, window.end), (begin - length, begin), *weeks]
    report, before, *each = metrics.dora_spans(uow, service, spans=spans)
    return report, before, _weeks(each)


def _weeks(reports: list[metrics.Report]) -> Weeks:
    """Each figure of each week, as bars: a height from 0 to 1, None where nothing is known."""
    found: Weeks = {name: [] for name in reports[0].figures}
    for each in reports:
        for name, figure in each.figures.items():
            found[name].append(
                {
                    "value": figure.value,
                    "figure": figure,
                    "start": each.window.start,
                    "end": each.window.end,
                }
            )
    for bars in found.values():
        most = max((bar["value"] or 0 for bar in bars), default=0)
        for bar in bars:
            bar["height"] = None if bar["value"] is None else (bar["value"] / most if most else 0.0)
    return found


def _highest(bars: list[dict[str, Any]]) -> metrics.Figure | None:
    known = [bar["figure"] for bar in bars if bar["value"] is not None]
    return max(known, key=lambda figure: figure.value, default=None)


def behind(visit: Visit) -> Response:
    """What one figure was made of: each change or deployment with its part in it, and its ledger entries."""
    start, end = _moment(visit.query("from")), _moment(visit.query("to"))
    with visit.database.read() as uow:
        report = metrics.dora(uow, visit.part("service"), visit.part("environment"), start=start, end=end)
        figure = report.figures.get(visit.part("figure"))
        if figure is None:
            raise NotFound(f"there is no figure {visit.part('figure')}", expected=", ".join(report.figures))
        names = _deployments(figure)
        told = ledger.entries_about(uow, [f"deployment:{each}" for each in names[:MOST]])
        shown = [_deployment(each, figure, told[f"deployment:{each}"]) for each in names[:MOST]]
        values: dict[str, Any] = {
            "deployments": shown,
            "by_id": {each["id"]: each for each in shown},
            "changes": sorted(figure.detail.get("changes", ()), key=lambda each: -each["seconds"])[:MOST],
            "incidents": _incidents(visit, uow, report, figure),
            "more": len(names) - len(shown),
        }
    return visit.page(
        "figure.html", report=report, figure=figure, name=NAMES[figure.name], left_out=LEFT_OUT, **values
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text[:60]!r} is no moment", expected="2026-11-23T00:00:00+00:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _deployments(figure: metrics.Figure) -> list[str]:
    """The deployments behind a figure; of a lead time, those that brought its changes."""
    return list(figure.detail.get("deployments", figure.ids))


def _deployment(name: str, figure: metrics.Figure, told: list[ledger.Entry]) -> dict[str, Any]:
    """One deployment: what it did, what it counts as here, and the ledger entries that say so."""
    kept = [each for each in told if each.action in COUNTED]
    ended = next((each for each in reversed(kept) if each.action == "deployment.finished"), None)
    parts = [*figure.detail.get("failed", ()), *figure.detail.get("rework", ())]
    return {
        "id": name,
        "version": ended.data.get("version") if ended else None,
        "outcome": ended.data.get("outcome") if ended else None,
        "at": ended.at if ended else None,
        "why": next((each["why"] for each in parts if each["deployment"] == name), ""),
        "entries": [(each.index, each.action.removeprefix("deployment.")) for each in kept],
    }


def _incidents(
    visit: Visit, uow: UnitOfWork, report: metrics.Report, figure: metrics.Figure
) -> list[dict[str, Any]]:
    """The incidents behind a recovery time, for whoever may read incidents there."""
    names = set(figure.detail.get("incidents", ()))
    where = {"service": report.service, "environment": report.environment}
    if not names or not visit.may(uow, "incident:read", **where):
        return []
    since = min(report.window.start, report.window.end - timedelta(days=366))
    opened = incidents.opened_since(uow, report.service, report.environment, since)
    found = [each for each in opened if each.id in names][-MOST:]
    told = ledger.entries_about(uow, [f"incident:{each.id}" for each in found])
    return [
        {
            "incident": each,
            "entries": [
                (entry.index, entry.action.removeprefix("incident.")) for entry in told[f"incident:{each.id}"]
            ],
        }
        for each in found
    ]
