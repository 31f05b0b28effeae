"""The five DORA figures: what they are, how they move, and what is behind each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from clearway import catalog, metrics
from clearway.kernel import NotFound
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit

WEEKS = 8
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
        counted = [(each.service, each.environment) for each in metrics.dora_all(uow)]
        chosen = visit.query("service") or (counted[0][0] if counted else services[0] if services else None)
        report, weeks, before = None, {}, None
        if chosen is not None:
            catalog.service(uow, chosen)
            report = metrics.dora(uow, chosen)
            weeks = _weeks(uow, report, uow.now())
            length = report.window.end - report.window.start
            before = metrics.dora(
                uow, chosen, report.environment, start=report.window.start - length, end=report.window.start
            )
    return visit.page(
        "figures.html",
        services=services,
        counted={name for name, _ in counted},
        chosen=chosen,
        report=report,
        before=before,
        weeks=weeks,
        names=NAMES,
    )


def _weeks(uow: UnitOfWork, report: metrics.Report, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Each figure of each of the last weeks, as bars: a height from 0 to 1, None where nothing is known."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in report.figures}
    for ago in reversed(range(WEEKS)):
        end = now + timedelta(seconds=1) - timedelta(weeks=ago)
        start = end - timedelta(weeks=1)
        each = metrics.dora(uow, report.service, report.environment, start=start, end=end)
        for name, figure in each.figures.items():
            found[name].append({"value": figure.value, "text": figure.text, "start": start})
    for bars in found.values():
        most = max((bar["value"] or 0 for bar in bars), default=0)
        for bar in bars:
            bar["height"] = None if bar["value"] is None else (bar["value"] / most if most else 0.0)
    return found


def behind(visit: Visit) -> Response:
    """What one figure was made of."""
    with visit.database.read() as uow:
        report = metrics.dora(uow, visit.part("service"), visit.part("environment"))
    figure = report.figures.get(visit.part("figure"))
    if figure is None:
        raise NotFound(f"there is no figure {visit.part('figure')}", expected=", ".join(report.figures))
    return visit.page("figure.html", report=report, figure=figure, name=NAMES[figure.name])
