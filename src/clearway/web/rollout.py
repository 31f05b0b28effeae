"""A rollout as pages show it: where the traffic goes, what the judge said, what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clearway import deploy, ledger
from clearway.storage import UnitOfWork

UNITS = {"proportion": "share", "count": "rate"}
SUFFIXES = {"_seconds": "seconds", "_bytes": "bytes"}  # a Prometheus histogram's name ends with its unit
MOST_STEPS = 200  # of a course that a page shows

EVENTS = {
    "deployment.started": "started",
    "deployment.traffic-moved": "traffic moved",
    "deployment.judged": "judged",
    "deployment.going-back": "going back",
    "deployment.finished": "finished",
}


@dataclass(frozen=True)
class Event:
    """Something that happened in a rollout, as its ledger entry tells it."""

    index: int
    at: datetime
    what: str
    text: str
    weight: int  # per cent of the traffic that the new version had from then on
    verdict: str | None  # of a look


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
        "units": {each["name"]: each["unit"] for each in chart_metrics(row)},
        "course": course(uow, row),
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
        {"name": each.name, "kind": each.kind, "unit": _unit(each.kind, getattr(each, "histogram", ""))}
        for each in row.order.canary_metrics
    ]


def _unit(kind: str, histogram: str) -> str:
    return UNITS.get(kind) or next((u for end, u in SUFFIXES.items() if histogram.endswith(end)), "number")


def course(uow: UnitOfWork, row: deploy.Deployment) -> list[Event]:
    """What happened, oldest first: every move of the traffic, every look of the judge."""
    found: list[Event] = []
    weight = 0
    told = ledger.entries(uow, subject=f"deployment:{row.id}", action_prefix="deployment.", limit=MOST_STEPS)
    for each in told.items:
        if each.action not in EVENTS:
            continue
        if "weights" in each.data:
            weight = each.data["weights"].get(row.id, 0)
        verdict = each.data.get("verdict")
        found.append(Event(each.index, each.at, EVENTS[each.action], each.reason, weight, verdict))
    return found


def columns(
    row: deploy.Deployment, series: Sequence[Mapping[str, Any]], events: Sequence[Event]
) -> dict[str, Any]:
    """The series as columns, as the chart takes them: seconds, then each metric of both sides."""
    moves = [each for each in events if each.what in ("started", "traffic moved", "finished")]
    return {
        "active": row.active,
        "moves": {
            "at": [round(each.at.timestamp(), 3) for each in moves],
            "weight": [each.weight for each in moves],
        },
        "looks": [
            {"at": round(each.at.timestamp(), 3), "verdict": each.verdict}
            for each in events
            if each.what == "judged"
        ],
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
