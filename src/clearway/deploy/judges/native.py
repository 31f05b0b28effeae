"""Clearway's own judge: exact where data are rare, free of units, and honest about looking often.

Rules:
1. A metric is degraded when its test says so at the level of this look (`sequential`), with Holm's correction
   over all announced metrics. So a good canary is called degraded with a chance of at most `alpha`, over all
   its metrics and all its looks together.
2. A degraded critical metric fails the canary. Others lower the score: the share of judged metrics that pass.
3. No traffic, no data, too little data, broken data: inconclusive, never pass. Enough to fail is enough,
   but not where the same look is asked again (`await_minimum`): a metric is tested once a look.
4. More looks than were announced: nothing may be spent any more, so nothing can be said.
5. Every verdict carries its data, test, statistic, interval, p-value, effect, threshold and power.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clearway.kernel import Invalid

from . import exact, ranks, sequential
from .model import Judgement, Kind, MetricInput, MetricVerdict, Verdict

NOTHING = 1e-100  # an exposure below this is none, in any unit
POWER = 0.8  # the power that "detectable" speaks of


@dataclass(frozen=True)
class Settings:
    """What was announced before the canary started."""

    alpha: float = 0.05  # chance to fail a good canary, over all metrics and looks
    looks: int = 1  # how often the judge will be asked at most
    look: int = 1  # which time this is, from 1
    shares: tuple[float, ...] | None = None  # share of the data at each look; None: equal distances
    pass_score: float = 95.0
    marginal_score: float = 50.0
    min_trials: int = 20  # a proportion with fewer on one side passes nothing
    min_values: int = 8  # values with fewer on one side pass nothing
    await_minimum: bool = (
        False  # what is short of data is not tested yet: it will be asked again at this look
    )
    relevant_points: float = 0.05  # power of proportions is told for a worsening by this much
    relevant_count: float = 2.0  # of counts, for this ratio of rates
    relevant_values: float = 1.5  # of values, for this ratio

    def plan(self) -> tuple[float, ...]:
        """The shares of the data at the announced looks. Raises Invalid."""
        if not 0 < self.alpha < 0.5 or self.looks < 1 or self.look < 1:
            raise Invalid("these settings make no plan", expected="0 < alpha < 0.5, look and looks >= 1")
        if self.shares is None:
            return sequential.equal_shares(self.looks)
        if len(self.shares) != self.looks:
            raise Invalid(f"{len(self.shares)} shares for {self.looks} looks", expected="one share a look")
        return sequential.check_shares(self.shares)

    def level(self, metrics: int) -> float:
        """The level of this look when alpha is divided over so many metrics."""
        return sequential.levels(self.alpha / max(1, metrics), self.plan())[self.look - 1]


def judge(metrics: Sequence[MetricInput], settings: Settings | None = None) -> Judgement:
    """The verdict on everything seen so far. Raises Invalid when settings or a kind are wrong."""
    settings = settings or Settings()
    plan = settings.plan()
    if settings.look > len(plan):
        reason = f"all {len(plan)} announced looks are used up; another one would prove nothing"
        return _close("inconclusive", None, reason, (), settings)
    if not metrics:
        return _close("inconclusive", None, "no metric was given, so nothing was judged", (), settings)
    tried = [_measure(metric, settings, len(metrics)) for metric in metrics]
    return _conclude(tuple(_holm(tried, settings)), settings)


def _measure(metric: MetricInput, settings: Settings, family: int) -> MetricVerdict:
    """Test, effect and power of one metric; the outcome waits for the others (Holm)."""
    measures: dict[Kind, Callable[[MetricInput, Settings, float], MetricVerdict]] = {
        "proportion": _proportion,
        "count": _count,
        "values": _values,
    }
    if metric.kind not in measures:
        raise Invalid(f"{metric.name}: unknown kind {metric.kind!r}", expected="proportion, count or values")
    if metric.direction not in ("increase", "decrease", "either") or not 0 <= metric.tolerance < math.inf:
        raise Invalid(
            f"{metric.name}: direction {metric.direction!r}, tolerance {metric.tolerance!r}",
            expected="increase, decrease or either, and a tolerance from 0",
        )
    return measures[metric.kind](metric, settings, settings.level(family))


def _blank(metric: MetricInput, outcome: Any, reason: str, data: dict[str, Any]) -> MetricVerdict:
    return MetricVerdict(
        metric.name, metric.kind, metric.direction, metric.critical, outcome, f"{metric.name}: {reason}", data
    )


def _sides(metric: MetricInput) -> tuple[exact.Side, ...]:
    both: tuple[exact.Side, ...] = ("high", "low")
    return {"increase": both[:1], "decrease": both[1:], "either": both}[metric.direction]


def _ratio(metric: MetricInput, side: exact.Side) -> float:
    return 1 + metric.tolerance if side == "high" else max(0.0, 1 - metric.tolerance)


def _worst(tests: dict[exact.Side, float]) -> tuple[exact.Side, float]:
    """The side that moved most, with its p-value; doubled when both sides were asked."""
    side = min(tests, key=lambda key: tests[key])
    return side, min(1.0, tests[side] * len(tests))


def _confidence(metric: MetricInput, level: float) -> float:
    return 1 - level * (1 if metric.direction == "either" else 2)


def _proportion(metric: MetricInput, settings: Settings, level: float) -> MetricVerdict:
    pair = _pair(metric, whole=True)
    data = {"baseline": _named(metric.baseline, "trials"), "canary": _named(metric.canary, "trials")}
    if isinstance(pair, str):
        return _blank(metric, "nodata" if "no " in pair else "error", pair, data)
    x0, n0, x1, n1 = (int(value) for value in pair)
    if x0 > n0 or x1 > n1:
        return _blank(metric, "error", "more events than trials", data)
    tests, name = {}, ""
    for side in _sides(metric):
        tests[side], name = exact.proportion_p(x0, n0, x1, n1, side, _ratio(metric, side))
    side, p_value = _worst(tests)
    per_side = level / len(tests)
    sign, ratio, p0 = (1 if side == "high" else -1), _ratio(metric, side), x0 / n0

    def power(points: float) -> float:
        rate = min(1.0, max(0.0, p0 * ratio + sign * points))
        return exact.proportion_power(p0, rate, n0, n1, per_side, side, ratio)

    found = MetricVerdict(
        metric.name, metric.kind, metric.direction, metric.critical, "pass",
        reason=f"{metric.name}: {x1} of {n1} ({x1 / n1:.2%}) against {x0} of {n0} ({p0:.2%})",
        data=data, test=name, statistic=float(x1),
        interval=exact.newcombe(x0, n0, x1, n1, _confidence(metric, level)),
        confidence=_confidence(metric, level), p_value=p_value, effect=x1 / n1 - p0,
        effect_is="difference of proportions, canary - baseline", threshold=level,
        power=power(settings.relevant_points),
        power_for=f"{'+' if sign > 0 else '-'}{settings.relevant_points:.0%} points beyond the tolerance",
        detectable=_smallest(power, 1 - p0 * ratio if sign > 0 else p0 * ratio),
    )  # fmt: skip
    short = min(n0, n1) < settings.min_trials
    return replace(found, outcome="nodata" if short else side)


def _count(metric: MetricInput, settings: Settings, level: float) -> MetricVerdict:
    pair = _pair(metric, whole=False)
    data = {"baseline": _named(metric.baseline, "exposure"), "canary": _named(metric.canary, "exposure")}
    if isinstance(pair, str):
        return _blank(metric, "nodata" if "no " in pair else "error", pair, data)
    x0, e0, x1, e1 = int(pair[0]), pair[1], int(pair[2]), pair[3]
    sides = _sides(metric)
    side, p_value = _worst({s: exact.count_p(x0, e0, x1, e1, s, _ratio(metric, s)) for s in sides})
    ratio, rate = _ratio(metric, side), max(x0, 0.5) / e0

    def power(change: float) -> float:  # change 1.0: twice the tolerated rate, or half of it
        real = rate * ratio * (1 + change) if side == "high" else rate * ratio / (1 + change)
        return exact.count_power(rate, real, e0, e1, level / len(sides), side, ratio)

    smallest = _smallest(power, 1e4)
    return MetricVerdict(
        metric.name, metric.kind, metric.direction, metric.critical, side,
        reason=f"{metric.name}: {x1} in {e1:g} against {x0} in {e0:g}",
        data=data, test="binomial given the total, exact", statistic=float(x1),
        interval=exact.count_interval(x0, e0, x1, e1, _confidence(metric, level)) if x0 + x1 else None,
        confidence=_confidence(metric, level), p_value=p_value,
        effect=(x1 / e1) / (x0 / e0) if x0 else (math.inf if x1 else None),
        effect_is="ratio of rates, canary / baseline", threshold=level,
        power=power(settings.relevant_count - 1),
        power_for=f"{settings.relevant_count:g} times {'more' if side == 'high' else 'less'} than tolerated",
        detectable=None if smallest is None else 1 + smallest,
    )  # fmt: skip


def _values(metric: MetricInput, settings: Settings, level: float) -> MetricVerdict:
    baseline = [float(value) for value in metric.baseline if math.isfinite(value)]
    canary = [float(value) for value in metric.canary if math.isfinite(value)]
    data = {"baseline": summary(baseline), "canary": summary(canary)}
    if not baseline or not canary:
        return _blank(metric, "nodata", f"no values of the {'canary' if baseline else 'baseline'}", data)
    sides = _sides(metric)
    tried = {side: ranks.rank_p(baseline, canary, side, metric.tolerance) for side in sides}
    side, p_value = _worst({key: value[0] for key, value in tried.items()})
    moved = ranks.shift(baseline, canary, _confidence(metric, level))
    spread, n, m = ranks.spread_of(baseline), len(canary), len(baseline)
    change = ranks.rank_detectable(spread, n, m, level / len(sides), POWER)
    short = min(n, m) < settings.min_values
    return MetricVerdict(
        metric.name, metric.kind, metric.direction, metric.critical, "nodata" if short else side,
        reason=f"{metric.name}: typically {moved.estimate:.4g} "
        f"{'times the baseline' if moved.relative else 'more than the baseline'} ({n} against {m} values)",
        data=data, test=tried[side][2], statistic=tried[side][1], interval=moved.interval,
        confidence=_confidence(metric, level), p_value=p_value, effect=moved.estimate,
        effect_is="Hodges-Lehmann " + ("ratio" if moved.relative else "difference") + ", canary to baseline",
        threshold=level,
        power=ranks.rank_power(spread, math.log(settings.relevant_values), n, m, level / len(sides)),
        power_for=f"{settings.relevant_values:g} times beyond the tolerance",
        detectable=math.exp(min(change, 50.0)) * (1 + metric.tolerance),
    )  # fmt: skip


def _pair(metric: MetricInput, *, whole: bool) -> tuple[float, float, float, float] | str:
    """(x0, n0, x1, n1), or why there is none."""
    for side, sample in (("baseline", metric.baseline), ("canary", metric.canary)):
        if len(sample) == 0:
            return f"no data of the {side}"
        if len(sample) != 2:
            return f"the {side} has {len(sample)} numbers instead of 2"
        events, size = sample
        if not (math.isfinite(events) and math.isfinite(size)) or events < 0 or size < 0:
            return f"the {side} has impossible numbers"
        if events != round(events) or (whole and size != round(size)):
            return f"the {side} counts in fractions"
        if size < NOTHING:
            return f"no traffic on the {side}"
    return metric.baseline[0], metric.baseline[1], metric.canary[0], metric.canary[1]


def _named(sample: Sequence[float], size: str) -> dict[str, Any]:
    return {"events": sample[0], size: sample[1]} if len(sample) == 2 else {"given": list(sample)[:10]}


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Size and spread of a side, in place of its raw values."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)

    def quantile(share: float) -> float:
        place = share * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    return {
        "n": len(ordered),
        "min": ordered[0],
        "median": quantile(0.5),
        "mean": math.fsum(ordered) / len(ordered),
        "p95": quantile(0.95),
        "max": ordered[-1],
    }


def _smallest(power: Callable[[float], float], limit: float) -> float | None:
    """The smallest change that is found with POWER, or None when even `limit` is not."""
    if limit <= 0 or power(limit) < POWER:
        return None
    low, high = 0.0, limit
    if limit > 1:
        high = 1.0
        while power(high) < POWER:
            low, high = high, min(limit, 2 * high)
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _holm(tried: list[MetricVerdict], settings: Settings) -> list[MetricVerdict]:
    """Outcomes by Holm's steps: the smallest p-value meets alpha / m, the next alpha / (m - 1), ..."""
    closed, steps, going = list(tried), 0, True
    tested = [
        index
        for index, verdict in enumerate(tried)
        if verdict.p_value is not None and not (settings.await_minimum and verdict.outcome == "nodata")
    ]
    for index in set(range(len(tried))) - set(tested):
        if tried[index].p_value is not None:
            text = f"{tried[index].reason}: too little data to test yet"
            closed[index] = replace(tried[index], p_value=None, reason=text)
    for index in sorted(tested, key=lambda i: (tried[i].p_value or 0.0, i)):
        verdict, level = tried[index], settings.level(len(tried) - steps)
        p_value = 1.0 if verdict.p_value is None else verdict.p_value
        going = going and p_value <= level
        if going:
            steps += 1
            side = _moved(verdict)
            text = f"{verdict.reason}: worse, p = {p_value:.2g} against a threshold of {level:.2g}"
            closed[index] = replace(verdict, outcome=side, threshold=level, reason=text)
        elif verdict.outcome == "nodata":
            text = f"{verdict.reason}: too little data to pass"
            closed[index] = replace(verdict, threshold=level, reason=text)
        else:
            text = f"{verdict.reason}: no worsening seen, p = {p_value:.2g} against {level:.2g}"
            closed[index] = replace(verdict, outcome="pass", threshold=level, reason=text)
    return closed


def _moved(verdict: MetricVerdict) -> Any:
    """Which way a degraded metric moved; a side that was short of data is known by its effect."""
    if verdict.direction != "either":
        return "high" if verdict.direction == "increase" else "low"
    if verdict.outcome in ("high", "low"):
        return verdict.outcome
    middle = 1.0 if "ratio" in verdict.effect_is else 0.0
    return "high" if (verdict.effect or 0.0) > middle else "low"


def _conclude(metrics: tuple[MetricVerdict, ...], settings: Settings) -> Judgement:
    judged = [metric for metric in metrics if metric.outcome not in ("nodata", "error")]
    bad = [metric for metric in judged if metric.degraded]
    blind = [metric for metric in metrics if metric not in judged]
    critical = [metric for metric in bad if metric.critical]
    if critical:
        return _close("fail", 0.0, _join(critical), metrics, settings)
    score = round(100 * (len(judged) - len(bad)) / len(judged), 2) if judged else None
    if bad and score is not None and score < settings.marginal_score:
        return _close("fail", score, _join(bad), metrics, settings)
    if blind:
        return _close("inconclusive", score, _join(blind + bad), metrics, settings)
    assert score is not None  # noqa: S101  every metric is judged here, and there is at least one
    verdict: Verdict = "pass" if score >= settings.pass_score else "marginal"
    return _close(verdict, score, _join(bad or judged), metrics, settings)


def _join(metrics: Sequence[MetricVerdict]) -> str:
    return "; ".join(metric.reason for metric in metrics)


def _close(
    verdict: Verdict,
    score: float | None,
    reason: str,
    metrics: tuple[MetricVerdict, ...],
    settings: Settings,
) -> Judgement:
    return Judgement(
        verdict, score, reason, metrics, "native", settings.look, len(settings.plan()), settings.alpha
    )
