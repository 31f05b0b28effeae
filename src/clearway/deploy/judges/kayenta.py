"""Spinnaker Kayenta's NetflixACAJudge-v1.0, so that teams can bring their canary configs. Pure.

Steps, a metric: pair by tags - NaN - outliers - shortcuts - Mann-Whitney interval - tolerance band and effect
size - direction - critical. Then groups, score, verdict. Its known defects are kept on purpose; `native` has
none of them. Where the original draws noise (two different constants) the draw is seeded here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from clearway.kernel import Invalid

from . import wilcoxon
from .model import Direction, Judgement, MetricInput, MetricVerdict, Outcome, Verdict

CONFIDENCE = 0.98
BAND = 0.25  # part of the estimated shift that is no difference
NOISE = 1e-5
SEED = 1


@dataclass(frozen=True)
class Rule:
    """How one metric is judged: its entry in a canary config."""

    name: str
    groups: tuple[str, ...] = ()
    direction: Direction = "either"
    nan: Literal["remove", "replace"] = "remove"
    outliers: Literal["keep", "remove"] = "keep"
    outlier_factor: float = 3.0
    critical: bool = False
    must_have_data: bool = False
    muted: bool = False
    measure: Literal["meanRatio", "cles"] = "meanRatio"
    allowed_increase: float | None = None  # None: 1.0 for the ratio, 0.5 for CLES
    allowed_decrease: float | None = None
    critical_increase: float | None = None
    critical_decrease: float | None = None


@dataclass(frozen=True)
class Config:
    """A canary config: rules, weights of groups, and the thresholds of the score."""

    rules: tuple[Rule, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    pass_score: float = 95.0
    marginal_score: float = 75.0


@dataclass(frozen=True)
class Series:
    """Values of one metric with one set of tags; NaN where nothing was measured."""

    metric: str
    values: tuple[float, ...]
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Found:
    """A classified pair, before it becomes a verdict."""

    outcome: Outcome
    why: str
    test: wilcoxon.Location | None = None
    effect: float | None = None
    critical: bool = False
    fails: bool = False  # counts as a failure without data (NodataFailMetric)


def judge(config: Config, baseline: Sequence[Series], canary: Sequence[Series]) -> Judgement:
    """The verdict over all pairs. Raises Invalid when a series has no rule in the config."""
    rules = {rule.name: rule for rule in config.rules}
    found: list[tuple[Rule, _Found]] = []
    verdicts: list[MetricVerdict] = []
    for name, before, after in pair(config, baseline, canary):
        rule = rules[name]
        old, new = _prepare(rule, before), _prepare(rule, after)
        result = _classify(rule, old, new)
        verdicts.append(_verdict(rule, result, old, new))
        if not rule.muted:
            found.append((rule, result))
    score = _score(config, found)
    verdict: Verdict = classify_score(score, config.pass_score, config.marginal_score)
    if not found:
        verdict = "inconclusive"
    reason = f"score {score:g}: " + (
        "; ".join(v.reason for v in verdicts if v.outcome != "pass") or "all pass"
    )
    return Judgement(verdict, score if found else None, reason, tuple(verdicts), "kayenta")


def judge_inputs(metrics: Sequence[MetricInput], config: Config | None = None) -> Judgement:
    """The same for one series a side, as deployments have them. Raises Invalid for what is no series."""
    wrong = [metric.name for metric in metrics if metric.kind != "values"]
    if wrong:
        raise Invalid(
            f"the compatible judge compares series of values, not {', '.join(wrong)}",
            expected="kind: values",
            todo="Use the native judge for proportions and counts.",
        )
    config = config or config_for(metrics)
    sides = [
        [Series(m.name, tuple(float(v) for v in (m.baseline, m.canary)[side])) for m in metrics]
        for side in (0, 1)
    ]
    return judge(config, *sides)


def config_for(metrics: Sequence[MetricInput]) -> Config:
    """A config of one group; an announced tolerance is the ratio of means that is still allowed."""
    rules = []
    for m in metrics:
        up, down = (1 + m.tolerance, max(0.0, 1 - m.tolerance)) if m.tolerance else (None, None)
        rules.append(
            Rule(
                m.name,
                ("metrics",),
                direction=m.direction,
                critical=m.critical,
                allowed_increase=up,
                allowed_decrease=down,
            )
        )
    return Config(tuple(rules))


def pair(
    config: Config, baseline: Sequence[Series], canary: Sequence[Series]
) -> list[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    """Series of equal metric and tags side by side; a missing side is NaN of equal length."""
    known = {rule.name for rule in config.rules}
    sides: list[dict[tuple[str, Any], Series]] = [{}, {}]
    for side, series in zip(sides, (baseline, canary), strict=True):
        for one in series:
            if one.metric not in known:
                raise Invalid(f"no rule for the metric {one.metric}", expected=", ".join(sorted(known)))
            side[one.metric, tuple(sorted(one.tags))] = one
    keys = list(dict.fromkeys([*sides[0], *sides[1]]))
    seen = {metric for metric, _ in keys}
    keys += [(rule.name, ()) for rule in config.rules if rule.name not in seen]
    pairs = []
    for key in keys:
        before, after = (side[key].values if key in side else None for side in sides)
        absent = (math.nan,) * len(before or after or ())
        pairs.append(
            (key[0], before if before is not None else absent, after if after is not None else absent)
        )
    return pairs


def _prepare(rule: Rule, values: Sequence[float]) -> list[float]:
    if rule.nan == "replace":
        kept = [0.0 if math.isnan(value) else value for value in values]
    else:
        kept = [value for value in values if not math.isnan(value)]
    if rule.outliers == "remove" and kept:
        low, high = _fences(kept, rule.outlier_factor)
        kept = [value for value in kept if low <= value <= high]
    return kept


def _fences(values: Sequence[float], factor: float) -> tuple[float, float]:
    """IQR fences on R-7 percentiles, widened to the 1st and 99th percentile."""
    import numpy as np

    p1, q1, q3, p99 = (float(value) for value in np.percentile(values, [1, 25, 75, 99]))
    return min(p1, q1 - factor * (q3 - q1)), max(p99, q3 + factor * (q3 - q1))


def _classify(rule: Rule, baseline: list[float], canary: list[float]) -> _Found:
    if not baseline or not canary:
        if rule.nan == "replace":
            return _Found("pass", "no data, which this metric reads as 0")
        fails = rule.must_have_data and not rule.critical
        why = "no data of the " + ("canary" if baseline else "baseline")
        return _Found("nodata", why, critical=rule.critical, fails=fails)
    if sorted(baseline) == sorted(canary) or len({*baseline, *canary}) == 1:
        return _Found("pass", "both sides are equal")
    if len(set(baseline)) == 1 and len(set(canary)) == 1:
        baseline, canary = _noisy(baseline, SEED), _noisy(canary, SEED + 1)
    try:
        test = wilcoxon.location(canary, baseline, CONFIDENCE)
    except wilcoxon.AllTied as error:
        return _Found("nodata", str(error), critical=rule.critical)
    return _decide(rule, test, _effect(rule, baseline, canary))


def _noisy(values: list[float], seed: int) -> list[float]:
    """The values with a little Gaussian noise, the same noise every time."""
    import numpy as np

    random = np.random.default_rng(seed)
    return [float(random.normal(value, abs(value) * NOISE)) for value in values]


def _effect(rule: Rule, baseline: list[float], canary: list[float]) -> float | None:
    if rule.measure == "meanRatio":
        middle = statistics.fmean(baseline)
        return None if middle == 0 else statistics.fmean(canary) / middle
    from .ranks import rank_p

    return rank_p(baseline, canary, "high")[1]


def _decide(rule: Rule, test: wilcoxon.Location, effect: float | None) -> _Found:
    neutral = 1.0 if rule.measure == "meanRatio" else 0.5

    def crosses(limit: float | None, *, up: bool) -> bool:
        bound = neutral if limit is None else limit
        return effect is None or (effect >= bound if up else effect <= bound)

    band = BAND * abs(test.estimate)
    high = test.low > band and crosses(rule.allowed_increase, up=True)
    low = test.high < -band and crosses(rule.allowed_decrease, up=False)
    if high and rule.direction in ("increase", "either"):
        critical = rule.critical and crosses(rule.critical_increase, up=True)
        return _Found("high", "the canary is higher", test, effect, critical)
    if low and rule.direction in ("decrease", "either"):
        critical = rule.critical and crosses(rule.critical_decrease, up=False)
        return _Found("low", "the canary is lower", test, effect, critical)
    return _Found("pass", "no difference that counts", test, effect)


def _verdict(rule: Rule, found: _Found, baseline: list[float], canary: list[float]) -> MetricVerdict:
    from .native import summary

    test = found.test
    if test is not None:
        test = replace(test, low=float(test.low), high=float(test.high), estimate=float(test.estimate))
    return MetricVerdict(
        rule.name, "values", rule.direction, rule.critical, found.outcome,
        reason=f"{rule.name}: {found.why}" + (" (critical)" if found.critical else ""),
        data={"baseline": summary(baseline), "canary": summary(canary), "muted": rule.muted},
        test=None if test is None else
        "Mann-Whitney interval beyond a quarter of its estimate, and effect size",
        statistic=None if test is None else test.w,
        interval=None if test is None else (test.low, test.high),
        confidence=CONFIDENCE if test else None, p_value=None if test is None else test.p_value,
        effect=found.effect,
        effect_is="ratio of means, canary / baseline" if rule.measure == "meanRatio" else "CLES",
        threshold=None if test is None else BAND * abs(test.estimate),
    )  # fmt: skip


def _score(config: Config, found: Sequence[tuple[Rule, _Found]]) -> float:
    if any(result.critical for _, result in found):
        return 0.0
    nodata = sum(result.outcome == "nodata" for _, result in found)
    if not found or nodata >= len(found) / 2:
        return 0.0
    groups: dict[str, list[_Found]] = {}
    for rule, result in found:
        for group in rule.groups or ("",):
            groups.setdefault(group, []).append(result)
    unweighted = [name for name in groups if name not in config.weights]
    shared = (100 - sum(config.weights.values())) / len(unweighted) if unweighted else 0.0
    total = sum(
        _group_score(results) * config.weights.get(name, shared) / 100 for name, results in groups.items()
    )
    return round(total, 2)


def _group_score(results: Sequence[_Found]) -> float:
    passed = sum(result.outcome == "pass" for result in results)
    counted = passed + sum(result.outcome in ("high", "low") or result.fails for result in results)
    return 100.0 if counted == 0 else 100 * passed / counted


def classify_score(score: float, pass_score: float, marginal_score: float) -> Verdict:
    """Pass, marginal or fail."""
    return "pass" if score >= pass_score else "marginal" if score >= marginal_score else "fail"


def run_verdict(scores: Sequence[float], config: Config, *, ended: bool) -> tuple[Verdict, bool]:
    """Verdict so far of a run over several intervals, and whether it stops here.

    A score at or below marginal stops it; the last interval must reach pass. No interval: inconclusive.
    """
    if not scores:
        return "inconclusive", ended
    if any(score <= config.marginal_score for score in scores):
        return "fail", True
    if not ended:
        return classify_score(scores[-1], config.pass_score, config.marginal_score), False
    return ("pass" if scores[-1] >= config.pass_score else "fail"), True


def read_config(document: Mapping[str, Any], thresholds: Mapping[str, float] | None = None) -> Config:
    """A Spinnaker canary config (its JSON) as ours. Raises Invalid, naming the metric."""
    rules = []
    for entry in document.get("metrics") or ():
        analysis = (entry.get("analysisConfigurations") or {}).get("canary") or {}
        effect, outliers = analysis.get("effectSize") or {}, analysis.get("outliers") or {}
        direction = str(analysis.get("direction", "either")).lower()
        measure = effect.get("measure", "meanRatio")
        if not entry.get("name") or direction not in ("increase", "decrease", "either"):
            raise Invalid(
                f"metric {entry.get('name')!r} has direction {direction!r}",
                expected="a name, and increase, decrease or either",
            )
        if measure not in ("meanRatio", "cles"):
            raise Invalid(
                f"metric {entry['name']}: unknown measure {measure!r}", expected="meanRatio or cles"
            )
        rules.append(
            Rule(
                name=entry["name"],
                groups=tuple(entry.get("groups") or ()),
                direction=direction,  # type: ignore[arg-type]
                nan="replace" if analysis.get("nanStrategy") == "replace" else "remove",
                outliers="remove" if outliers.get("strategy") == "remove" else "keep",
                outlier_factor=float(outliers.get("outlierFactor", 3.0)),
                critical=bool(analysis.get("critical", False)),
                must_have_data=bool(analysis.get("mustHaveData", False)),
                muted=bool(analysis.get("muted", False)),
                measure=measure,
                allowed_increase=effect.get("allowedIncrease"),
                allowed_decrease=effect.get("allowedDecrease"),
                critical_increase=effect.get("criticalIncrease"),
                critical_decrease=effect.get("criticalDecrease"),
            )
        )
    if not rules:
        raise Invalid("the canary config has no metrics", expected="metrics: a list")
    weights = (document.get("classifier") or {}).get("groupWeights") or {}
    limits = thresholds or document.get("scoreThresholds") or {}
    return Config(
        tuple(rules),
        {str(name): float(weight) for name, weight in weights.items()},
        float(limits.get("pass", 95.0)),
        float(limits.get("marginal", 75.0)),
    )
