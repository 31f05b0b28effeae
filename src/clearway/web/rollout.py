"""A rollout as pages show it: where the traffic goes, what the judge said, what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from clearway import deploy
from clearway.storage import UnitOfWork

UNITS = {"proportion": "share", "count": "rate", "values": "seconds"}


def view(uow: UnitOfWork, row: deploy.Deployment) -> dict[str, Any]:
    """What the page shows of a rollout."""
    previous = deploy.deployment(uow, row.previous_id) if row.previous_id else None
    stages = deploy.stages_shown(uow, row)
    return {
        "row": row,
        "stages": [(text, _progress(row, number)) for number, text in enumerate(stages)],
        "traffic": traffic(row, previous.order.version if previous else None),
        "metrics": chart_metrics(row),
        "judgement": row.judgement,
        "previous": previous.order.version if previous else None,
    }


def _progress(row: deploy.Deployment, number: int) -> str:
    if not row.active:
        return "done" if row.outcome == "succeeded" or row.going_back or number < row.stage else "never"
    return "done" if number < row.stage else "now" if number == row.stage else "ahead"


def traffic(row: deploy.Deployment, before: str | None) -> list[dict[str, Any]]:
    """Who gets how much of the traffic, the new version first."""
    found = []
    for group, share in row.weights.items():
        if group == row.id:
            side, version = "new", row.order.version
        elif group.endswith(".baseline"):
            side, version = "baseline", before or ""
        else:
            side, version = "old", before or ""
        if share:
            found.append({"side": side, "version": version, "share": share})
    return sorted(found, key=lambda each: ("new", "baseline", "old").index(each["side"]))


def chart_metrics(row: deploy.Deployment) -> list[dict[str, str]]:
    """The metrics that have a chart."""
    return [
        {"name": each.name, "kind": each.kind, "unit": UNITS.get(each.kind, "")}
        for each in row.order.canary_metrics
    ]


def columns(row: deploy.Deployment, series: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The series as columns, as the chart takes them: seconds, then each metric of both sides."""
    return {
        "active": row.active,
        "at": [round(datetime.fromisoformat(each["at"]).timestamp(), 3) for each in series],
        "weight": [each.get("weights", {}).get(row.id, 0) for each in series],
        "metrics": [
            {
                **metric,
                "canary": [each.get("canary", {}).get(metric["name"]) for each in series],
                "baseline": [each.get("baseline", {}).get(metric["name"]) for each in series],
            }
            for metric in chart_metrics(row)
        ],
    }
