"""Versions of three families: SemVer 2.0, PEP 440, CalVer. Pure; `semver` and `packaging` order them.

Rules:
1. A text is a version of a scheme or it is not: None, never a guess. Build metadata and local versions name
   no release.
2. A prerelease has a channel and a serial number: `1.2.0-rc.3` in SemVer, `1.2.0rc3` in the other two.
3. A calendar version follows its format (calver.org: YYYY YY 0Y MM 0M WW 0W DD 0D MINOR MICRO). Its calendar
   parts never go back, whatever the clock says; its counters start at 0 when a calendar part moves on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any, Literal

from .errors import Invalid

Scheme = Literal["semver", "pep440", "calver"]
Level = Literal["major", "minor", "patch"]
LEVELS: tuple[Level, ...] = ("patch", "minor", "major")  # least first
LONGEST = 100  # characters of a version

_DIGITS = r"(?:0|[1-9][0-9]{0,8})"
_TOKENS = {
    "YYYY": r"[1-9][0-9]{3}",
    "YY": r"(?:0|[1-9][0-9]{0,2})",
    "0Y": r"[0-9]{2,3}",
    "MM": r"(?:1[0-2]|[1-9])",
    "0M": r"(?:0[1-9]|1[0-2])",
    "WW": r"(?:[1-4]?[0-9]|5[0-3])",
    "0W": r"(?:[0-4][0-9]|5[0-3])",
    "DD": r"(?:[12][0-9]|3[01]|[1-9])",
    "0D": r"(?:0[1-9]|[12][0-9]|3[01])",
    "MINOR": _DIGITS,
    "MICRO": _DIGITS,
}
_COUNTERS = ("MINOR", "MICRO")
_CHANNELS = {
    "alpha": "a",
    "beta": "b",
    "c": "rc",
    "pre": "rc",
    "preview": "rc",
    "a": "a",
    "b": "b",
    "rc": "rc",
    "dev": "dev",
}
_SEMVER_CHANNEL = re.compile(r"[0-9A-Za-z-]{1,30}(?:\.[0-9A-Za-z-]{1,30}){0,4}\Z")


@dataclass(frozen=True)
class Version:
    """A version that some scheme reads."""

    scheme: Scheme
    text: str
    release: tuple[int, ...]  # numbers before any channel: major, minor, patch, ...; or the calendar's parts
    channel: str = ""  # of a prerelease; empty: a final version
    serial: int = 0
    epoch: int = 0  # PEP 440 only

    @property
    def final(self) -> bool:
        """Whether it is no prerelease."""
        return not self.channel

    @property
    def order(self) -> Any:
        """What to compare and sort by, with versions of the same scheme."""
        return _order(self.scheme, self.text)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=50_000)
def _order(scheme: Scheme, text: str) -> Any:
    if scheme == "semver":
        import semver

        return semver.Version.parse(text)
    from packaging.version import Version as Packaged

    return Packaged(text)


def read_version(scheme: Scheme, text: str, calendar: str = "") -> Version | None:
    """The text as a version of the scheme; `calendar` is CalVer's format. None when it is none."""
    if not text.isascii() or len(text) > LONGEST:
        return None
    if scheme == "semver":
        return _read_semver(text)
    if scheme == "calver" and not _calendar(calendar).match(text):
        return None
    return _read_packaged(scheme, text)


def _read_semver(text: str) -> Version | None:
    import semver

    try:
        found = semver.Version.parse(text)
    except ValueError:
        return None
    if found.build is not None:
        return None
    release = (found.major, found.minor, found.patch)
    if found.prerelease is None:
        return Version("semver", text, release)
    channel, dot, serial = found.prerelease.rpartition(".")
    if not dot or not serial.isdigit():
        channel, serial = found.prerelease, "0"
    return Version("semver", text, release, channel, int(serial))


def _read_packaged(scheme: Scheme, text: str) -> Version | None:
    from packaging.version import InvalidVersion
    from packaging.version import Version as Packaged

    try:
        found = Packaged(text)
    except InvalidVersion:
        return None
    if found.local is not None:
        return None
    channel, serial = ("dev", found.dev) if found.dev is not None else found.pre or ("", 0)
    release = found.release
    if scheme == "pep440":
        release += (0,) * (3 - len(release))  # 1.2 is 1.2.0
    return Version(scheme, text, release, channel, serial, found.epoch)


def write_version(
    scheme: Scheme,
    release: tuple[int, ...],
    *,
    channel: str = "",
    serial: int = 1,
    epoch: int = 0,
    calendar: str = "",
) -> Version:
    """The version of these parts. Raises Invalid for a channel that the scheme cannot write."""
    if scheme == "semver":
        text = ".".join(map(str, release))
        if channel:
            text += f"-{check_channel(scheme, channel)}.{serial}"
    else:
        numbers = _written(calendar, release) if scheme == "calver" else ".".join(map(str, release))
        text = f"{epoch}!{numbers}" if epoch else numbers
        if channel:
            short = check_channel(scheme, channel)
            text += f".dev{serial}" if short == "dev" else f"{short}{serial}"
    found = read_version(scheme, text, calendar)
    if found is None:
        raise Invalid(f"{text[:LONGEST]!r} is no {scheme} version", expected="smaller numbers")
    return found


def check_channel(scheme: Scheme, channel: str) -> str:
    """The channel as the scheme writes it. Raises Invalid."""
    if scheme == "semver":
        last = channel.rpartition(".")[2]
        if not _SEMVER_CHANNEL.match(channel) or (channel.isdigit() or last.isdigit()):
            raise Invalid(
                f"{channel[:40]!r} is no channel of a SemVer prerelease", expected="a word such as rc or beta"
            )
        return channel
    if channel not in _CHANNELS:
        raise Invalid(f"{channel[:40]!r} is no channel of a {scheme} prerelease", expected="a, b, rc or dev")
    return _CHANNELS[channel]


def raise_release(release: tuple[int, ...], level: Level) -> tuple[int, ...]:
    """The numbers one level higher: what is below starts at 0 again; three numbers at least."""
    numbers = [*release, 0, 0, 0][: max(3, len(release))]
    place = {"major": 0, "minor": 1, "patch": 2}[level]
    return (*numbers[:place], numbers[place] + 1, *([0] * (2 - place)))


def next_calendar(
    calendar: str, last: tuple[int, ...] | None, today: date, level: Level = "patch"
) -> tuple[int, ...]:
    """The numbers of the next calendar version; later than `last` also when the clock went back."""
    names = tokens(calendar)
    weekly = {"WW", "0W"} & set(names)  # the last days of December may be in the next year's first week
    year = today.isocalendar().year if weekly else today.year
    fresh = tuple(0 if name in _COUNTERS else _part(name, today, year) for name in names)
    if last is None or _dates(names, fresh) > _dates(names, last):
        return fresh
    counters = [index for index, name in enumerate(names) if name in _COUNTERS]
    if not counters:
        raise Invalid(
            f"the calendar format {calendar} has no counter, and {'.'.join(map(str, last))} is taken",
            expected="MICRO at its end for a second release in the same period",
        )
    place = counters[0] if level != "patch" else counters[-1]
    return tuple(
        number + 1 if index == place else (0 if index > place else number)
        for index, number in enumerate(last)
    )


def tokens(calendar: str) -> tuple[str, ...]:
    """The parts of a calendar format. Raises Invalid."""
    names = tuple(calendar.split("."))
    years = [name for name in names if name in ("YYYY", "YY", "0Y")]
    counted = [name for name in names if name in _COUNTERS]
    fine = (
        set(names) <= set(_TOKENS)
        and len(set(names)) == len(names)
        and names[:1] == tuple(years)
        and names[len(names) - len(counted) :] == tuple(counted)
        and counted in ([], ["MICRO"], ["MINOR"], ["MINOR", "MICRO"])
    )
    if not fine:
        raise Invalid(
            f"{calendar[:60]!r} is no calendar format",
            expected="a year first, then other parts, counters last, such as YYYY.0M.MICRO",
        )
    return names


@cache
def _calendar(calendar: str) -> re.Pattern[str]:
    numbers = r"\.".join(_TOKENS[name] for name in tokens(calendar))
    return re.compile(rf"{numbers}(?:(?:a|b|rc|\.dev)[0-9]{{1,9}})?\Z")


def _dates(names: tuple[str, ...], release: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(number for name, number in zip(names, release, strict=True) if name not in _COUNTERS)


def _part(name: str, today: date, year: int) -> int:
    if name in ("WW", "0W"):
        return today.isocalendar().week
    return {"Y": year if name == "YYYY" else year - 2000, "M": today.month, "D": today.day}[name[-1]]


def _written(calendar: str, release: tuple[int, ...]) -> str:
    pairs = zip(tokens(calendar), release, strict=True)
    return ".".join(f"{number:02d}" if name.startswith("0") else str(number) for name, number in pairs)
