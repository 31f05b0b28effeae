"""From Prometheus samples to what a judge is given. Pure.

Counters are read as increases since the canary got traffic, instance by instance: a counter that fell was
reset, and counts from zero. Both sides are cumulated over the whole canary: every look has all data so far.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clearway.catalog import CanaryMetric, CountMetric, ProportionMetric, Selector, ValuesMetric

from .judges import MetricInput
from .ports import Sample

MOST_STEPS = 600  # looks that are kept for judges that compare series
MOST_VALUES = 400  # ranks of more add nothing that a person would wait for
Counters = dict[str, float]


def read_counters(metrics: Sequence[CanaryMetric], samples: Sequence[Sample]) -> Counters:
    """Every cumulative number that the metrics need, by a key that names it."""
    found: Counters = {}
    for metric in metrics:
        if isinstance(metric, ProportionMetric):
            found[f"{metric.name}/events"] = _total(samples, metric.numerator)
            found[f"{metric.name}/trials"] = _total(samples, metric.denominator)
        elif isinstance(metric, CountMetric):
            found[f"{metric.name}/events"] = _total(samples, metric.counter)
            if metric.exposure:
                found[f"{metric.name}/exposure"] = _total(samples, metric.exposure)
        else:
            found.update(_buckets(metric, samples))
    return {key: value for key, value in found.items() if math.isfinite(value) and value >= 0}


def _fits(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in wanted.items())


def _total(samples: Iterable[Sample], selector: Selector) -> float:
    return sum(
        sample.value
        for sample in samples
        if sample.name == selector.metric and _fits(sample.labels, selector.labels)
    )


def _buckets(metric: ValuesMetric, samples: Iterable[Sample]) -> Counters:
    found: Counters = {}
    for sample in samples:
        if sample.name == f"{metric.histogram}_bucket" and _fits(sample.labels, metric.labels):
            key = f"{metric.name}/le/{sample.labels.get('le', '')}"
            found[key] = found.get(key, 0.0) + sample.value
    return found


def add_look(
    measured: Mapping[str, Any], seen: Mapping[str, Mapping[str, Counters]], seconds: float
) -> dict[str, Any]:
    """The cumulated state after one look. `seen`: side -> instance -> counters; `seconds`: since the last."""
    last: dict[str, Counters] = dict(measured.get("last", {}))
    totals: dict[str, Counters] = {side: dict(each) for side, each in measured.get("totals", {}).items()}
    steps: dict[str, list[Counters]] = {side: list(each) for side, each in measured.get("steps", {}).items()}
    for side, by_instance in seen.items():
        total = totals.setdefault(side, {})
        step: Counters = {"seconds": seconds} if by_instance else {}
        for instance, counters in by_instance.items():
            before = last.get(
                instance, counters
            )  # the first sight of an instance is where its counting starts
            # One counter that fell means a new process: then all of them count from zero, or a histogram
            # would be told half by the old process and half by the new one.
            reset = any(value < before.get(key, 0.0) for key, value in counters.items())
            for key, value in counters.items():
                old = 0.0 if reset else before.get(key, 0.0)
                step[key] = step.get(key, 0.0) + value - old
            last[instance] = dict(counters)
        for key, value in step.items():
            total[key] = total.get(key, 0.0) + value
        steps[side] = [*steps.get(side, []), step][-MOST_STEPS:]
    return {"last": last, "totals": totals, "steps": steps}


def judge_inputs(metrics: Sequence[CanaryMetric], measured: Mapping[str, Any]) -> list[MetricInput]:
    """What the judge is asked, from the cumulated state."""
    totals = measured.get("totals", {})
    return [
        MetricInput(
            name=metric.name,
            kind=metric.kind,
            direction=metric.direction,
            critical=metric.critical,
            tolerance=metric.tolerance,
            baseline=_sample(metric, totals.get("baseline", {})),
            canary=_sample(metric, totals.get("new", {})),
        )
        for metric in metrics
    ]


def series_inputs(metrics: Sequence[CanaryMetric], measured: Mapping[str, Any]) -> list[MetricInput]:
    """The same metrics as series of one value a look, for a judge that compares series."""
    steps = measured.get("steps", {})
    found = []
    for metric in metrics:
        sides = {}
        for side in ("baseline", "new"):
            figures = (_figure(metric.kind, _sample(metric, step)) for step in steps.get(side, []))
            sides[side] = tuple(math.nan if figure is None else figure for figure in figures)
        found.append(
            MetricInput(
                name=metric.name,
                kind="values",
                direction=metric.direction,
                critical=metric.critical,
                tolerance=metric.tolerance,
                baseline=sides["baseline"],
                canary=sides["new"],
            )
        )
    return found


def _sample(metric: CanaryMetric, total: Counters) -> tuple[float, ...]:
    if isinstance(metric, ProportionMetric):
        return (total.get(f"{metric.name}/events", 0.0), total.get(f"{metric.name}/trials", 0.0))
    if isinstance(metric, CountMetric):
        exposure = total.get(f"{metric.name}/exposure") if metric.exposure else total.get("seconds")
        return (total.get(f"{metric.name}/events", 0.0), exposure or 0.0)
    return bucket_values(metric.name, total)


def bucket_values(name: str, total: Counters) -> tuple[float, ...]:
    """A histogram's increases as values: each bucket's middle, as often as it was hit, thinned evenly."""
    prefix = f"{name}/le/"
    bounds = sorted(
        (_bound(key[len(prefix) :]), value) for key, value in total.items() if key.startswith(prefix)
    )
    hits: list[tuple[float, float]] = []
    below, low = 0.0, 0.0
    for bound, cumulated in bounds:
        middle = low * 1.5 if math.isinf(bound) else (low + bound) / 2
        hits.append((middle, max(0.0, cumulated - below)))
        below, low = max(below, cumulated), bound if math.isfinite(bound) else low
    count = sum(number for _, number in hits)
    keep = min(1.0, MOST_VALUES / count) if count else 0.0
    values: list[float] = []
    owed = 0.0
    for middle, number in hits:
        owed += number * keep
        whole = round(owed)
        values.extend([middle] * whole)
        owed -= whole
    return tuple(values)


def _bound(text: str) -> float:
    return math.inf if text in ("+Inf", "Inf", "inf") else float(text or "nan")


def chart_point(metrics: Sequence[CanaryMetric], measured: Mapping[str, Any]) -> dict[str, Any]:
    """What a chart draws of the cumulated state: for each side, each metric's figure and the traffic."""
    point: dict[str, Any] = {}
    for each in judge_inputs(metrics, measured):
        for side, sample in (("canary", each.canary), ("baseline", each.baseline)):
            point.setdefault(side, {})[each.name] = _figure(each.kind, sample)
    return point


def _figure(kind: str, sample: Sequence[float]) -> float | None:
    if kind == "values":
        return sum(sample) / len(sample) if sample else None
    events, size = sample
    return events / size if size else None
