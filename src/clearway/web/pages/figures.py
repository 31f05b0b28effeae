"""The five DORA figures: what they are, how they move, and what is behind each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from clearway import catalog, metrics
from clearway.kernel import NotFound
from clearway.storage import UnitOfWork
from clearway.web.visit import Visit

WEEKS = 8
Weeks = dict[str, list[dict[str, Any]]]
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
            found[name].append({"value": figure.value, "text": figure.text, "start": each.window.start})
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
