"""Time, handed in from outside so that decisions stay pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .errors import Invalid

Clock = Callable[[], datetime]

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class FixedClock:
    """A clock for tests: stands still until it is moved."""

    def __init__(self, instant: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self.instant = instant

    def __call__(self) -> datetime:
        return self.instant

    def advance(self, seconds: float) -> datetime:
        """Move by seconds (negative: back), and return the new instant."""
        self.instant += timedelta(seconds=seconds)
        return self.instant


def parse_duration(text: str) -> timedelta:
    """`90s`, `5m`, `1h30m`, `7d`, `250ms`. Raises Invalid on anything else."""
    parts = _PART.findall(text) if len(text) <= 50 else []  # the search is quadratic in digits
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Invalid(
            f"{text[:50]!r} is not a duration", expected="a number and a unit, such as 90s, 5m, 2h or 7d"
        )
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def format_duration(span: timedelta) -> str:
    """The shortest exact form in whole units: `1h30m`, `6s`, `250ms`, `0s`."""
    left = round(span.total_seconds() * 1000)
    if left < 0:
        return "-" + format_duration(-span)
    out = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            out += f"{count}{unit}"
    return out or "0s"
