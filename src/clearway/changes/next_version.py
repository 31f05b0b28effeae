"""The next version, from the last one and what changed since. Pure.

Rules:
1. The last version is the highest final one among the tags that history reaches. Tags elsewhere are not
   ours to continue, but their names are taken.
2. The largest change decides: breaking, feature, fix. In 0.x a breaking change raises the minor number,
   unless the service says otherwise.
3. A `Release-As` footer, the newest one, decides instead; it may not go back.
4. A prerelease counts up within its channel. Numbers that a reachable prerelease has announced are not
   taken back: after 2.0.0-rc.1 comes 2.0.0, whatever changed since.
5. The same history and day always yield the same version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clearway.catalog import Versioning
from clearway.kernel import (
    LEVELS,
    Conflict,
    Level,
    Version,
    check_channel,
    next_calendar,
    raise_release,
    read_version,
    write_version,
)

from .change import Change

__all__ = ["Next", "Past", "next_version"]


@dataclass(frozen=True)
class Past:
    """What history says of versions."""

    last: Version | None  # the highest final version that is reached
    last_commit: str | None
    announced: tuple[Version, ...]  # prereleases that are reached
    taken: tuple[Version, ...]  # every version of the repository, reached or not
    here: tuple[Version, ...] = ()  # those of this very commit


@dataclass(frozen=True)
class Next:
    """What comes next, and why."""

    version: Version | None  # None: nothing that needs a version changed
    tag: str | None
    last: Version | None
    level: Level | None  # what the largest change raises
    why: str  # one sentence
    reasons: tuple[Change, ...]  # the changes of that level, newest first
    changes: int  # how many there are in all

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {
            "version": self.version.text if self.version else None,
            "tag": self.tag,
            "last": self.last.text if self.last else None,
            "level": self.level,
            "why": self.why,
            "reasons": [
                {"commit": each.commit or None, "where": each.where or None, "text": each.text}
                for each in self.reasons
            ],
            "changes": self.changes,
        }


def next_version(
    rules: Versioning,
    past: Past,
    changes: Sequence[Change],
    today: date,
    *,
    channel: str = "",
    release_as: str | None = None,
) -> Next:
    """What comes after `past` with these changes, newest first. Raises Conflict when its name is taken."""
    level, reasons = _largest(rules, changes)
    if channel and (known := _known_here(rules, past, channel)):
        return Next(None, None, past.last, None, f"this commit is {known} already", (), len(changes))
    if release_as is not None:
        numbers, why = _as_told(rules, past, release_as), f"a Release-As footer says {release_as}"
    elif level is None and past.last is not None:
        said = "nothing changed" if not changes else "nothing that makes a version changed"
        return Next(None, None, past.last, None, f"{said} since {past.last}", (), len(changes))
    else:
        numbers, why = _numbers(rules, past, level or "patch", today)
    numbers, why = _not_before_announced(past, numbers, why)
    version = _written(rules, past, numbers, channel)
    if version.text in {each.text for each in past.taken} or _same(version, past.taken):
        raise Conflict(
            f"the next version would be {version}, and a tag of that name is on another line of history",
            todo="Say another one in a commit's footer, such as `Release-As: 1.4.0`.",
        )
    return Next(version, rules.tag_prefix + version.text, past.last, level, why, reasons, len(changes))


def _known_here(rules: Versioning, past: Past, channel: str) -> Version | None:
    """The prerelease of this channel that the commit is already."""
    short = check_channel(rules.scheme, channel)
    found = [each for each in past.here if each.channel == short]
    return max(found, key=lambda each: each.order, default=None)


def _largest(rules: Versioning, changes: Sequence[Change]) -> tuple[Level | None, tuple[Change, ...]]:
    """The largest level and the changes that have it."""
    quiet: Level | None = "patch" if rules.quiet == "patch" else None
    raised = [(each.raises or quiet, each) for each in changes]
    level = max((each for each, _ in raised if each), key=LEVELS.index, default=None)
    return level, tuple(change for each, change in raised if each and each == level)


_WORDS: Mapping[Level, str] = {
    "major": "a breaking change",
    "minor": "a feature",
    "patch": "a fix or a smaller change",
}


def _numbers(rules: Versioning, past: Past, level: Level, today: date) -> tuple[tuple[int, ...], str]:
    if rules.scheme == "calver":
        finals = [each for each in past.taken if each.final]  # dates belong to every line of history
        last = max(finals, key=lambda each: each.order).release if finals else None
        return next_calendar(rules.calendar, last, today, level), f"by the calendar, {today}"
    if past.last is None:
        first = read_version(rules.scheme, rules.initial)
        return first.release if first else (0, 1, 0), "no tag is a version yet, so this is the first"
    word = _WORDS[level]
    raised: Level = level
    if level == "major" and past.last.release[0] == 0:
        raised = rules.breaking_before_1
        word += " (in 0.x)"
    return raise_release(past.last.release, raised), f"{word} since {past.last} raises the {raised} number"


def _as_told(rules: Versioning, past: Past, text: str) -> tuple[int, ...]:
    told = read_version(rules.scheme, text.removeprefix(rules.tag_prefix), rules.calendar)
    if told is None or not told.final:
        raise Conflict(
            f"a commit says `Release-As: {text[:60]}`, which is no final {rules.scheme} version",
            todo="Say another one in a newer commit.",
        )
    if past.last is not None and told.order <= past.last.order:
        raise Conflict(
            f"a commit says `Release-As: {told}`, and {past.last} is out already",
            todo="Say a higher one in a newer commit.",
        )
    return told.release


def _not_before_announced(past: Past, numbers: tuple[int, ...], why: str) -> tuple[tuple[int, ...], str]:
    ahead = [each for each in past.announced if past.last is None or each.order > past.last.order]
    highest = max(ahead, key=lambda each: each.order, default=None)
    if highest is not None and highest.release > numbers:
        return highest.release, f"{highest} announced it"
    return numbers, why


def _written(rules: Versioning, past: Past, numbers: tuple[int, ...], channel: str) -> Version:
    epoch = max((each.epoch for each in (past.last, *past.announced) if each), default=0)
    parts: dict[str, Any] = {"epoch": epoch, "calendar": rules.calendar}
    if not channel:
        return write_version(rules.scheme, numbers, **parts)
    short = check_channel(rules.scheme, channel)
    serials = [each.serial for each in past.taken if each.release == numbers and each.channel == short]
    return write_version(rules.scheme, numbers, channel=channel, serial=max(serials, default=0) + 1, **parts)


def _same(version: Version, taken: Sequence[Version]) -> bool:
    """Whether a version that is written otherwise means the same, such as 1.0 and 1.0.0 by PEP 440."""
    return any(each.release[:1] == version.release[:1] and each.order == version.order for each in taken)
