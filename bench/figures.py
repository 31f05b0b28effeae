"""What a figure is, how it is repeated, and the table of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value and what it is held against; medians of `runs` runs."""

    name: str  # group.name, as the issue of record names it
    value: float | None  # None: it could not be measured here; `note` says why
    unit: str
    peer: str = ""  # what it is compared with in the same run, or the limit
    peer_value: float | None = None
    runs: int = 1
    spread: str = ""  # lowest to highest of the runs
    command: str = ""
    note: str = ""
    times: bool = False  # the ratio says how many times faster than the peer: peer over value

    @property
    def ratio(self) -> float | None:
        """Value over peer, below one being better for costs; with `times`, peer over value."""
        if self.value is None or not self.peer_value or (self.times and not self.value):
            return None
        return self.peer_value / self.value if self.times else self.value / self.peer_value

    def as_json(self) -> dict[str, Any]:
        """The row of bench/results.json."""
        return asdict(self) | {"ratio": self.ratio}


def timed(work: Callable[[], Any]) -> float:
    """Seconds that the work took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(values: list[float]) -> float:
    """The median of the runs."""
    return statistics.median(values)


def spread(values: list[float], unit: str = "") -> str:
    """Lowest and highest, for the reader who wants the noise."""
    return f"{min(values):.3g}–{max(values):.3g}{unit}"


def table(figures: list[Figure]) -> str:
    """A Markdown table."""
    rows = [
        "| figure | value | spread | runs | peer or limit | its value | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        value = f"{figure.value:.4g} {figure.unit}" if figure.value is not None else f"– ({figure.note})"
        peer = f"{figure.peer_value:.4g} {figure.unit}" if figure.peer_value is not None else "–"
        ratio = f"{figure.ratio:.3g}" if figure.ratio is not None else "–"
        rows.append(
            f"| `{figure.name}` | {value} | {figure.spread or '–'} | {figure.runs} "
            f"| {figure.peer} | {peer} | {ratio} |"
        )
    notes = [f"- `{each.name}`: {each.note}" for each in figures if each.note and each.value is not None]
    return "\n".join([*rows, "", *notes] if notes else rows)
