"""What a judge is given and what it answers. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Kind = Literal["proportion", "count", "values"]
Direction = Literal["increase", "decrease", "either"]  # which movement is bad
Verdict = Literal["pass", "marginal", "fail", "inconclusive"]
Outcome = Literal["pass", "high", "low", "nodata", "error"]


@dataclass(frozen=True)
class MetricInput:
    """One metric of both sides, cumulated since the canary began."""

    name: str
    kind: Kind
    direction: Direction = "increase"
    critical: bool = False  # degraded: the whole canary fails
    tolerance: float = 0.0  # worsening that is accepted, as a part of the baseline: 0.5 accepts +50 %
    baseline: Sequence[float] = ()  # proportion: (events, trials); count: (events, exposure); values: floats
    canary: Sequence[float] = ()


@dataclass(frozen=True)
class MetricVerdict:
    """What a judge says of one metric, with everything needed to argue with it."""

    name: str
    kind: str
    direction: str
    critical: bool
    outcome: Outcome  # high, low: degraded in that direction; nodata: nothing can be said
    reason: str  # one sentence for people
    data: Mapping[str, Any] = field(default_factory=dict)  # what was compared, of both sides
    test: str | None = None  # name of the test
    statistic: float | None = None
    interval: tuple[float, float] | None = None  # of the effect, at `confidence`
    confidence: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_is: str = ""  # what the effect measures, such as "ratio of rates, canary / baseline"
    threshold: float | None = None  # degraded when the p-value is at or below (kayenta: see `test`)
    power: float | None = None  # chance to find the regression named in `power_for`
    power_for: str = ""
    detectable: float | None = None  # the smallest effect that this much data finds with 80 %

    @property
    def degraded(self) -> bool:
        """Whether the metric moved the wrong way, by this judge's rules."""
        return self.outcome in ("high", "low")

    def to_json(self) -> dict[str, Any]:
        """JSON; what JSON cannot hold (infinite, not a number) becomes null."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


@dataclass(frozen=True)
class Judgement:
    """The verdict on a canary at one look, or at the end."""

    verdict: Verdict
    score: float | None  # 0 to 100; None where the judge does not score
    reason: str
    metrics: tuple[MetricVerdict, ...]
    judge: str = "native"
    look: int = 1  # which look this was, from 1
    looks: int = 1  # how many were announced
    alpha: float | None = None  # chance to call any good metric degraded, over all metrics and looks

    def to_json(self) -> dict[str, Any]:
        """JSON; what JSON cannot hold (infinite, not a number) becomes null."""
        plain = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "metrics"}
        return {**plain, "metrics": [metric.to_json() for metric in self.metrics]}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
