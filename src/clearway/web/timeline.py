"""Stages as a picture: bars over time, each in its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clearway import build

WIDE = 1000  # of the picture, in its own units


@dataclass(frozen=True)
class Bar:
    """One stage in the picture."""

    stage: build.Stage
    depth: int  # 1: a part of another stage
    left: float  # in thousandths of the whole
    width: float
    seconds: float  # so far, when it still runs


@dataclass(frozen=True)
class Timeline:
    """All stages of a build."""

    bars: tuple[Bar, ...]
    seconds: float  # from the first beginning to the last end
    answered: int  # stages that an earlier build ran

    def steps(self, twice: bool) -> list[str]:
        """The steps that a retry can begin from; of a build that ran them twice, without the number."""
        names = [bar.stage.name for bar in self.bars if bar.stage.within == "build 1"]
        return [name.removesuffix(" 1") if twice else name for name in names]


def timeline(stages: Sequence[build.Stage], now: datetime) -> Timeline | None:
    """The picture; None before anything began. Parts come below the stage that they belong to."""
    if not stages:
        return None
    began = min(each.started_at for each in stages)
    ended = max(each.finished_at or now for each in stages)
    whole = max((ended - began).total_seconds(), 0.001)

    def bar(stage: build.Stage, depth: int) -> Bar:
        seconds = ((stage.finished_at or now) - stage.started_at).total_seconds()
        left = (stage.started_at - began).total_seconds() / whole * WIDE
        width = max(seconds / whole * WIDE, 2.0)
        return Bar(stage, depth, round(min(left, WIDE - 2.0), 2), round(width, 2), seconds)

    bars = []
    for each in stages:
        if each.within is None or each.within not in {other.name for other in stages}:
            bars.append(bar(each, 0))
            bars += [bar(part, 1) for part in stages if part.within == each.name]
    answered = sum(1 for each in stages if each.cached_from)
    return Timeline(tuple(bars), whole, answered)
