"""When promotions may move: windows, freezes, and the next open moment. Pure.

Rules:
1. A calendar applies to the environments, services and teams that it names; to everything of a kind that it
   does not name.
2. Open means: inside a window of *every* applying calendar that has windows, and inside no freeze of any.
3. Times are wall-clock times of the calendar's zone. When the clock makes them doubtful, closed wins:
   a time that the spring skips is the moment of the skip; of a time that the autumn has twice, a window
   starts at the second and ends at the first, a freeze starts at the first and ends at the second.
4. A day's range that ends at or before its start ends on the next day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from clearway.kernel import Document, Name

__all__ = ["KINDS", "Answer", "Calendar", "CalendarDocument", "Freeze", "Scope", "Window", "ask"]

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[str, ...] = get_args(Day)
HORIZON_DAYS = 400
MOST_STEPS = 2000

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}))?")


def _check_time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError(f"`{text}` is not a time of day; expected HH:MM, from 00:00 to 24:00")
    return text


def _check_moment(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}")
    except ValueError:
        raise ValueError(f"`{text}` is not a date; expected 2026-12-24 or 2026-12-24 18:00") from None
    return text


def _check_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"`{name}` is no time zone; expected an IANA name such as Europe/Berlin or UTC")
    return name


TimeOfDay = Annotated[str, AfterValidator(_check_time)]
Moment = Annotated[str, AfterValidator(_check_moment)]
Zone = Annotated[str, AfterValidator(_check_zone)]


class Scope(Document):
    """What a calendar applies to; an empty list means all."""

    environments: tuple[Name, ...] = ()
    """Environments."""
    services: tuple[Name, ...] = ()
    """Services."""
    teams: tuple[Name, ...] = ()
    """Teams, by the services that they own."""

    def covers(self, service: str, team: str, environment: str) -> bool:
        """Whether it applies to this service in this environment."""
        named = ((self.environments, environment), (self.services, service), (self.teams, team))
        return all(not names or name in names for names, name in named)


class Window(Document):
    """A weekly time in which promotions may move."""

    name: Name = "window"
    """Shown where people wait for it."""
    days: tuple[Day, ...] = Field(default=("mon", "tue", "wed", "thu", "fri"), min_length=1)
    """The days on which it starts."""
    start: TimeOfDay = Field(default="00:00", alias="from")
    """When it opens, in the calendar's zone."""
    end: TimeOfDay = Field(default="24:00", alias="to")
    """When it closes; at or before `from` means on the next day."""


class Freeze(Document):
    """A time in which promotions stand still."""

    name: Name
    """Shown to those who wait."""
    reason: str = Field(min_length=1, max_length=300)
    """Why."""
    start: Moment | None = Field(default=None, alias="from")
    """The first moment, in the calendar's zone."""
    end: Moment | None = Field(default=None, alias="until")
    """The first moment after it."""
    days: tuple[Day, ...] = ()
    """Instead of `from` and `until`: every week on these whole days."""
    holidays: str | None = Field(default=None, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,6})?$")
    """Instead: on the public holidays of a country, or of its part, such as DE or DE-BY."""

    @model_validator(mode="after")
    def _one_way(self) -> Freeze:
        ways = [self.start is not None or self.end is not None, bool(self.days), self.holidays is not None]
        if sum(ways) != 1:
            raise ValueError(
                f"the freeze {self.name}; expected exactly one of `from` with `until`, `days`, or `holidays`"
            )
        if ways[0]:
            if self.start is None or self.end is None:
                raise ValueError(f"half a freeze: {self.name}; expected both `from` and `until`")
            if _naive(self.start) >= _naive(self.end):
                raise ValueError(f"the freeze {self.name} ends before it starts; expected `until` later")
        if self.holidays is not None:
            _check_country(self.holidays)
        return self


class Calendar(Document):
    """Windows and freezes of one time zone."""

    name: Name
    """The calendar's name."""
    zone: Zone = "UTC"
    """The IANA zone of every time in it."""
    applies_to: Scope = Scope()
    """What it applies to; everything when left out."""
    windows: tuple[Window, ...] = Field(default=(), max_length=50)
    """When promotions may move; always when there are none."""
    freezes: tuple[Freeze, ...] = Field(default=(), max_length=200)
    """When they may not."""
    description: str = Field(default="", max_length=500)
    """What it is for."""


class CalendarDocument(Calendar):
    """`kind: Calendar`."""

    kind: Literal["Calendar"]


KINDS: Mapping[str, type[Document]] = {"Calendar": CalendarDocument}


@dataclass(frozen=True)
class Answer:
    """What the calendars say about one moment."""

    open: bool
    frozen: bool  # a freeze is what closes it
    reasons: tuple[str, ...]  # why it is closed
    next_open: datetime | None  # the moment itself when open; None: not within HORIZON_DAYS

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        opens = self.next_open.isoformat() if self.next_open else None
        return {"open": self.open, "frozen": self.frozen, "reasons": list(self.reasons), "next_open": opens}


ALWAYS = Answer(True, False, (), None)


def ask(
    calendars: Iterable[Calendar],
    at: datetime,
    *,
    service: str,
    team: str,
    environment: str,
    freezes_apply: bool = True,
) -> Answer:
    """Whether promotions of the service to the environment may move at this moment, and when next."""
    mine = [each for each in calendars if each.applies_to.covers(service, team, environment)]
    frozen, reasons, _ = _closed(mine, at, freezes_apply)
    return Answer(not reasons, frozen, tuple(reasons), _next_open(mine, at, freezes_apply))


def _next_open(calendars: Sequence[Calendar], at: datetime, freezes_apply: bool) -> datetime | None:
    moment = at
    limit = at + timedelta(days=HORIZON_DAYS)
    for _ in range(MOST_STEPS):
        _, reasons, later = _closed(calendars, moment, freezes_apply)
        if not reasons:
            return moment
        if later is None or later > limit:
            return None
        moment = later
    return None


def _closed(
    calendars: Sequence[Calendar], at: datetime, freezes_apply: bool
) -> tuple[bool, list[str], datetime | None]:
    """Whether a freeze closes this moment; every reason; the earliest moment at which to look again."""
    reasons: list[str] = []
    frozen = False
    again: list[datetime] = []
    for calendar in calendars:
        for freeze in calendar.freezes if freezes_apply else ():
            for start, end in _freeze_spans(freeze, calendar.zone, at):
                if start <= at < end:
                    frozen = True
                    reasons.append(f"{freeze.name}: {freeze.reason} (until {_wall(end, calendar.zone)})")
                    again.append(end)
        if calendar.windows:
            spans = [span for window in calendar.windows for span in _spans(window, calendar.zone, at)]
            if not any(start <= at < end for start, end in spans):
                names = ", ".join(sorted({window.name for window in calendar.windows}))
                opens = min((start for start, _ in spans if start > at), default=None)
                said = _wall(opens, calendar.zone) if opens else "not soon"
                reasons.append(f"outside the windows of {calendar.name} ({names}); opens {said}")
                if opens is None:
                    return frozen, reasons, None
                again.append(opens)
    return frozen, reasons, max(again) if again else None


def _spans(window: Window, zone: str, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The window's openings around a moment: those that may hold it, and the coming week's."""
    today = at.astimezone(ZoneInfo(zone)).date()
    for offset in range(-2, 9):
        day = today + timedelta(days=offset)
        if DAYS[day.weekday()] not in window.days:
            continue
        start, end = _at_time(day, window.start), _at_time(day, window.end)
        if end <= start:
            end += timedelta(days=1)
        span = _instant(start, zone, late=True), _instant(end, zone, late=False)
        if span[0] < span[1]:  # the clock may have swallowed it whole
            yield span


def _freeze_spans(freeze: Freeze, zone: str, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The freeze's spans that may hold a moment."""
    if freeze.start is not None and freeze.end is not None:
        yield (
            _instant(_naive(freeze.start), zone, late=False),
            _instant(_naive(freeze.end), zone, late=True),
        )
        return
    today = at.astimezone(ZoneInfo(zone)).date()
    for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
        if _falls_on(freeze, day):
            midnight = datetime.combine(day, time())
            yield (
                _instant(midnight, zone, late=False),
                _instant(midnight + timedelta(days=1), zone, late=True),
            )


def _falls_on(freeze: Freeze, day: date) -> bool:
    if freeze.holidays is not None:
        return day in _public_holidays(freeze.holidays, day.year)
    return DAYS[day.weekday()] in freeze.days


@lru_cache(maxsize=256)
def _public_holidays(country: str, year: int) -> frozenset[date]:
    import holidays  # half a second; most platforms name no country

    code, _, part = country.partition("-")
    return frozenset(holidays.country_holidays(code, subdiv=part or None, years=year))


def _check_country(country: str) -> None:
    try:
        _public_holidays(country, 2026)
    except (NotImplementedError, KeyError):
        raise ValueError(f"`{country}` has no known holidays; expected a code such as DE or US-CA") from None


def _instant(wall: datetime, zone: str, *, late: bool) -> datetime:
    """The UTC instant of a wall-clock time; of a doubtful one the earlier or the later (rule 3)."""
    place = ZoneInfo(zone)
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:  # ordinary, or there twice
        return second if late else first
    # Skipped: the clock's jump lies between the two readings; it happens on a whole second.
    low, high = 0, int((first - second).total_seconds())
    before = second.astimezone(place).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        same = (second + timedelta(seconds=middle)).astimezone(place).utcoffset() == before
        low, high = (middle, high) if same else (low, middle)
    return second + timedelta(seconds=high)


def _at_time(day: date, text: str) -> datetime:
    if text == "24:00":
        return datetime.combine(day, time()) + timedelta(days=1)
    return datetime.combine(day, time.fromisoformat(text))


def _naive(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "T"))


def _wall(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"
