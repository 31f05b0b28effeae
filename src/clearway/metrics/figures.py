"""The five DORA figures by their definitions (docs/reference/dora.md). Pure: facts in, figures out.

Rules:
1. A deployment belongs to the window in which it finished in production.
2. An empty denominator gives None, never 0.
3. What is left out is counted under its reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from clearway.kernel import format_duration

from .model import Bucket, Deployed, Facts, Failure, Figure, Report, Settings, Window

REWORK_DAYS = 183
SIDE_SERIES = ("rollback", "config-only", "flag-only")


def report(service: str, environment: str, facts: Facts, window: Window, settings: Settings) -> Report:
    """All five figures; facts from before the window's reach count for nothing."""
    facts = _reached(facts, window)
    figures = (
        change_lead_time(facts, window, settings),
        deployment_frequency(facts, window),
        recovery_time(facts, window, settings),
        change_fail_rate(facts, window, settings),
        rework_rate(facts, window, settings),
    )
    return Report(service, environment, window, settings, {figure.name: figure for figure in figures})


def reach(window: Window) -> datetime:
    """How far back the figures of a window look."""
    return min(window.start, window.end - timedelta(days=REWORK_DAYS))


def _reached(facts: Facts, window: Window) -> Facts:
    since = reach(window)
    return replace(
        facts,
        deployments=[each for each in facts.deployments if each.finished_at >= since],
        failures=[each for each in facts.failures if each.detected_at >= since],
    )


def percentile(values: Sequence[float], share: float, settings: Settings) -> float | None:
    """PERCENTILE_CONT: linear between the two nearest values; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    if settings.percentile == "lower" or place == low:
        return ordered[low]
    return ordered[low] + (ordered[low + 1] - ordered[low]) * (place - low)


def change_lead_time(facts: Facts, window: Window, settings: Settings) -> Figure:
    """Production finish - commit time, of each commit that first reached production by a success."""
    done = {d.id: d for d in _finished(facts, window) if d.outcome == "succeeded" and d.intent != "rollback"}
    spans: dict[str, float] = {}
    counted: list[dict[str, Any]] = []
    merged: list[float] = []
    excluded: Counter[str] = Counter()
    excluded["no baseline"] = sum(id in facts.first for id in done)
    excluded["commits unknown"] = sum(id in facts.unknown for id in done)
    for id in done.keys() & facts.left_out.keys():
        excluded.update(facts.left_out[id])
    for change in facts.changes:
        deployed = done.get(change.deployment_id)
        if deployed is None or change.deployment_id in facts.first:
            continue
        span = (deployed.finished_at - change.committed_at).total_seconds()
        if span < 0:
            excluded["clock skew"] += 1
            continue
        spans[change.sha] = span
        counted.append(
            {
                "commit": change.sha,
                "deployment": deployed.id,
                "committed_at": change.committed_at.isoformat(),
                "seconds": span,
                "how": change.how,
            }
        )
        if change.merged_at is not None and change.merged_at <= deployed.finished_at:
            merged.append((deployed.finished_at - change.merged_at).total_seconds())
    p50, p75, p90 = (percentile(list(spans.values()), share, settings) for share in (0.5, 0.75, 0.9))
    brought = {change.deployment_id for change in facts.changes if change.sha in spans}
    used = [id for id in done if id in brought]
    return Figure(
        "change_lead_time", "change-lead-time/2", p50, "seconds",
        "no change reached production" if p50 is None
        else f"{_span(p50)} (median of {_many(len(spans), 'change')})",
        len(spans), tuple(spans), _counted(excluded),
        {"p50": p50, "p75": p75, "p90": p90, "deployments": used, "changes": counted,
         "merge_to_production": {"p50": percentile(merged, 0.5, settings), "count": len(merged)}},
    )  # fmt: skip


def deployment_frequency(facts: Facts, window: Window) -> Figure:
    """Successful production deployments over the calendar: empty periods are 0, not absent."""
    finished = _finished(facts, window)
    good = [d for d in finished if d.outcome == "succeeded"]
    counted = [d for d in good if d.intent not in SIDE_SERIES]
    excluded = Counter(f"intent {d.intent}" for d in good if d.intent in SIDE_SERIES)
    excluded.update(d.outcome for d in finished if d.outcome != "succeeded")
    days = buckets(counted, window, "day")
    value = len(counted) / len(days) if days else None
    detail: dict[str, Any] = {
        "deployment_days": sum(bucket.deployments > 0 for bucket in days),
        "days": len(days),
        "series": {
            size: [bucket.to_json() for bucket in buckets(counted, window, size)]
            for size in ("day", "week", "month")
        },
        "side_series": {
            intent: [b.to_json() for b in buckets([d for d in good if d.intent == intent], window, "day")]
            for intent in SIDE_SERIES
        },
    }
    return Figure(
        "deployment_frequency", "deployment-frequency/1", value, "per day",
        "no window" if value is None else f"{_many(len(counted), 'deployment')} in {_many(len(days), 'day')}",
        len(counted), tuple(d.id for d in counted), _counted(excluded), detail,
    )  # fmt: skip


def buckets(
    deployments: Iterable[Deployed], window: Window, size: Literal["day", "week", "month"] | str
) -> list[Bucket]:
    """Every period that the window touches, in the window's zone, with what finished in it."""
    zone = ZoneInfo(window.zone)
    if window.end <= window.start:
        return []
    first = _floor(window.start.astimezone(zone).date(), size)
    last = _floor((window.end - timedelta(microseconds=1)).astimezone(zone).date(), size)
    found: dict[date, list[str]] = {}
    while first <= last:
        found[first] = []
        first = _next(first, size)
    for deployed in deployments:
        found[_floor(deployed.finished_at.astimezone(zone).date(), size)].append(deployed.id)
    return [Bucket(start, len(ids), tuple(ids)) for start, ids in found.items()]


def recovery_time(facts: Facts, window: Window, settings: Settings) -> Figure:
    """Service restored - causing deployment finished. Several incidents of one deployment are one failure.

    A rollout that never finished before it was noticed has no finish of its own: its clock starts when it was
    noticed.
    """
    known = {d.id: d for d in _finished(facts, window)}
    by_cause: dict[str, list[Failure]] = {}
    other: list[Failure] = []
    for failure in facts.failures:
        if failure.deployment_id in known:
            by_cause.setdefault(str(failure.deployment_id), []).append(failure)
        elif failure.deployment_id is None and window.start <= failure.detected_at < window.end:
            other.append(failure)
    spans: dict[str, float] = {}
    noticed: list[float] = []
    unresolved: dict[str, float] = {}
    for cause, failures in by_cause.items():
        detected = min(failure.detected_at for failure in failures)
        start = min(known[cause].finished_at, detected)
        ends = [failure.restored_at for failure in failures]
        restored = [end for end in ends if end is not None]
        if len(restored) < len(ends):
            unresolved[cause] = (window.end - start).total_seconds()
            continue
        spans[cause] = (max(restored) - start).total_seconds()
        noticed.append((max(restored) - detected).total_seconds())
    value = percentile(list(spans.values()), 0.5, settings)
    apart = [(f.restored_at - f.detected_at).total_seconds() for f in other if f.restored_at]
    excluded = Counter({"unresolved": len(unresolved), "not caused by a change": len(other)})
    return Figure(
        "failed_deployment_recovery_time", "failed-deployment-recovery-time/1", value, "seconds",
        "no failed deployment was restored" if value is None
        else f"{_span(value)} (median of {_many(len(spans), 'failed deployment')})",
        len(spans), tuple(spans), _counted(excluded),
        {"since_detected": percentile(noticed, 0.5, settings),
         "incidents": [f.id for failures in by_cause.values() for f in failures],
         "unresolved": [{"deployment": cause, "age": age} for cause, age in unresolved.items()],
         "other_incidents": {"ids": [f.id for f in other], "p50": percentile(apart, 0.5, settings)}},
    )  # fmt: skip


def failed(facts: Facts, settings: Settings) -> dict[str, str]:
    """Which deployments needed an intervention, and why."""
    why: dict[str, str] = {}
    serving: Deployed | None = None  # what a rollback of a person goes back from
    for deployed in facts.deployments:
        if deployed.outcome in ("rolled-back", "failed-in-prod"):
            why[deployed.id] = deployed.outcome
        elif deployed.outcome == "aborted-before-traffic":
            if settings.contained_fails:
                why[deployed.id] = "aborted before traffic"
        elif deployed.intent == "rollback":
            if serving is not None:
                why.setdefault(serving.id, f"rolled back by {deployed.id}")
            serving = None
        else:
            serving = deployed
    for failure in facts.failures:
        if failure.deployment_id is not None:
            why.setdefault(failure.deployment_id, f"incident {failure.id}")
    return why


def change_fail_rate(facts: Facts, window: Window, settings: Settings) -> Figure:
    """Distinct deployments that needed immediate intervention / deployments that reached production."""
    finished = _finished(facts, window)
    outside = {"aborted-before-traffic"} if not settings.contained_fails else set()
    reached = [d for d in finished if d.intent != "rollback" and d.outcome not in outside]
    why = failed(facts, settings)
    bad = [d for d in reached if d.id in why]
    excluded = Counter("contained: aborted before traffic" for d in finished if d.outcome in outside)
    excluded["rollbacks"] = sum(d.intent == "rollback" for d in finished)
    young = window.end - timedelta(hours=settings.immature_hours)
    value = len(bad) / len(reached) if reached else None
    return Figure(
        "change_fail_rate", "change-fail-rate/1", value, "ratio",
        "no deployment reached production" if value is None
        else f"{value:.0%} ({len(bad)} of {_many(len(reached), 'deployment')})",
        len(reached), tuple(d.id for d in reached), _counted(excluded),
        {"failed": [{"deployment": d.id, "why": why[d.id]} for d in bad],
         "immature": [d.id for d in reached if d.finished_at > young and d.id not in why],
         "suggested": suggested(facts, settings)},
    )  # fmt: skip


def suggested(facts: Facts, settings: Settings) -> list[dict[str, str]]:
    """Incidents without a cause, with the deployment that a person may want to confirm as it."""
    reach, found = timedelta(hours=settings.immature_hours), []
    for failure in facts.failures:
        if failure.deployment_id is not None:
            continue
        near = [
            d
            for d in facts.deployments
            if d.outcome == "succeeded"
            and failure.detected_at - reach <= d.finished_at <= failure.detected_at
        ]
        if near:
            found.append({"incident": failure.id, "deployment": near[-1].id})
    return found


def rework_rate(facts: Facts, window: Window, settings: Settings) -> Figure:
    """Unplanned deployments made because of an incident or a user-facing bug / all, over six months.

    What somebody declared goes before what is inferred from incidents.
    """
    six_months = Window(window.end - timedelta(days=REWORK_DAYS), window.end, window.zone)
    finished = [d for d in _finished(facts, six_months) if d.outcome != "aborted-before-traffic"]
    fixes = {f.restored_by for f in facts.failures if f.restored_by and f.restored_by != f.deployment_id}
    why: dict[str, str] = {}
    for deployed in finished:
        if deployed.intent == "rollback":
            if settings.rollbacks_are_rework:
                why[deployed.id] = "rollback"
        elif deployed.intent == "rework":
            why[deployed.id] = "declared"
        elif deployed.declared_by is None and deployed.id in fixes:
            why[deployed.id] = "ended an incident"
    counted = [d for d in finished if settings.rollbacks_are_rework or d.intent != "rollback"]
    value = len(why) / len(counted) if counted else None
    excluded = Counter({"rollbacks": len(finished) - len(counted)})
    return Figure(
        "deployment_rework_rate", "deployment-rework-rate/1", value, "ratio",
        "no deployment in six months" if value is None
        else f"{value:.0%} ({len(why)} of {_many(len(counted), 'deployment')}, six months)",
        len(counted), tuple(d.id for d in counted), _counted(excluded),
        {"rework": [{"deployment": id, "why": reason} for id, reason in why.items()],
         "from": six_months.start.isoformat()},
    )  # fmt: skip


def _finished(facts: Facts, window: Window) -> list[Deployed]:
    return [d for d in facts.deployments if window.start <= d.finished_at < window.end]


def _floor(day: date, size: str) -> date:
    if size == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if size == "month" else day


def _next(day: date, size: str) -> date:
    if size == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if size == "week" else 1)


def _counted(reasons: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(reasons.items()) if count}


def _span(seconds: float) -> str:
    rounded: Callable[[float], float] = (lambda s: round(s / 60) * 60) if seconds >= 7200 else round
    return format_duration(timedelta(seconds=rounded(seconds)))


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def default_window(now: datetime, days: int = 30, zone: str = "UTC") -> Window:
    """The last days up to now, beginning at a midnight of the zone, so that every day of a chart is whole."""
    local = now.astimezone(ZoneInfo(zone))
    first = local.date() - timedelta(days=days - 1)
    start = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
    return Window(start, now + timedelta(microseconds=1), zone)
