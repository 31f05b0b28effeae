"""Windows and freezes, also on the days on which the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.kernel import DocumentError, by_kind, load_documents
from clearway.releases.calendar import KINDS, CalendarDocument, ask

BERLIN = "Europe/Berlin"


def calendar(text: str) -> CalendarDocument:
    """The calendar in a few lines of YAML."""
    [(found, _)] = load_documents(f"kind: Calendar\nname: c\n{text}", "c.yaml", by_kind(KINDS))
    assert isinstance(found, CalendarDocument)
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def answer(text: str, moment: str, **more):
    place = {"service": "shop", "team": "store", "environment": "prod", **more}
    return ask([calendar(text)], at(moment), **place)


OFFICE = """
zone: Europe/Berlin
windows: [{name: office, days: [mon, tue, wed, thu], from: "09:00", to: "16:00"}]
"""


@pytest.mark.parametrize(
    ("moment", "is_open", "opens"),
    [
        ("2026-01-05 08:00", True, "2026-01-05 08:00"),  # Monday 09:00 in Berlin, the first instant
        ("2026-01-05 07:59", False, "2026-01-05 08:00"),
        ("2026-01-05 15:00", False, "2026-01-06 08:00"),  # 16:00 is outside
        ("2026-01-08 16:00", False, "2026-01-12 08:00"),  # Thursday evening: Monday
        ("2026-03-28 12:00", False, "2026-03-30 07:00"),  # over the spring night: 09:00 is an hour earlier
    ],
)
def test_windows_are_wall_clock_times(moment, is_open, opens) -> None:
    """A window opens at the zone's time of day, in summer and in winter; its end is outside."""
    said = answer(OFFICE, moment)
    assert (said.open, said.next_open) == (is_open, at(opens))
    assert bool(said.reasons) is not is_open


SPRING = 'zone: Europe/Berlin\nwindows: [{name: night, days: [sun], from: "02:30", to: "04:00"}]'
AUTUMN = 'zone: Europe/Berlin\nwindows: [{name: night, days: [sun], from: "02:30", to: "04:00"}]'
TWICE = 'zone: Europe/Berlin\nwindows: [{name: night, days: [sun], from: "01:00", to: "02:30"}]'
SWALLOWED = 'zone: Europe/Berlin\nwindows: [{name: night, days: [sun], from: "02:10", to: "02:50"}]'
FROZEN_TWICE = """
zone: Europe/Berlin
freezes: [{name: f, reason: r, from: 2026-10-25 02:15, until: 2026-10-25 02:45}]
"""


def test_a_window_that_starts_in_the_skipped_hour_starts_at_the_skip() -> None:
    """02:30 does not exist on 29 March 2026; the clock jumps at 01:00 UTC."""
    assert answer(SPRING, "2026-03-28 23:00").next_open == at("2026-03-29 01:00")
    assert answer(SPRING, "2026-03-29 01:59").open
    assert not answer(SPRING, "2026-03-29 02:00").open


def test_a_window_inside_the_skipped_hour_does_not_open() -> None:
    """It has no instant that day, so it opens a week later."""
    assert answer(SWALLOWED, "2026-03-28 23:00").next_open == at("2026-04-05 00:10")


def test_in_the_doubled_hour_closed_wins() -> None:
    """On 25 October 2026 a window starts at the second 02:30, ends at the first; a freeze is long."""
    assert answer(AUTUMN, "2026-10-24 23:00").next_open == at("2026-10-25 01:30")
    assert answer(TWICE, "2026-10-25 00:29").open
    assert not answer(TWICE, "2026-10-25 01:15").open
    assert not answer(FROZEN_TWICE, "2026-10-25 00:15").open
    assert not answer(FROZEN_TWICE, "2026-10-25 01:44").open
    assert answer(FROZEN_TWICE, "2026-10-25 01:45").open


def test_a_window_over_midnight_ends_on_the_next_day() -> None:
    """`to` at or before `from` is tomorrow's."""
    night = 'windows: [{name: night, days: [fri], from: "22:00", to: "04:00"}]'
    assert answer(night, "2026-01-10 03:59").open  # Saturday
    assert not answer(night, "2026-01-10 04:00").open


def test_freezes_close_for_as_long_as_they_say() -> None:
    """Overlapping freezes open at the end of the last, if a window is open then."""
    text = """
    zone: UTC
    windows: [{days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}]
    freezes:
      - {name: audit, reason: auditors are here, from: 2026-01-05, until: 2026-01-07}
      - {name: sale, reason: winter sale, from: 2026-01-06 12:00, until: 2026-01-09 20:00}
    """.replace("\n    ", "\n")
    said = answer(text, "2026-01-06 13:00")
    assert said.frozen
    assert len(said.reasons) == 2
    assert said.next_open == at("2026-01-12 09:00")
    unfrozen = answer(text, "2026-01-06 13:00", freezes_apply=False)
    assert unfrozen.open
    assert not unfrozen.frozen


def test_public_holidays_freeze() -> None:
    """The holidays of a country or of its part, as whole local days."""
    text = "zone: Europe/Berlin\nfreezes: [{name: h, reason: nobody is here, holidays: DE-BY}]"
    said = answer(text, "2026-01-06 12:00")  # Epiphany, in Bavaria only
    assert said.frozen
    assert said.next_open == at("2026-01-06 23:00")
    assert answer(text.replace("DE-BY", "DE"), "2026-01-06 12:00").open


def test_a_calendar_applies_where_it_says() -> None:
    """Environment, service and team all have to match; what is not named matches."""
    text = """
applies_to: {environments: [prod], teams: [store]}
freezes: [{name: f, reason: r, days: [mon, tue, wed, thu, fri, sat, sun]}]
"""
    assert not answer(text, "2026-01-06 12:00").open
    assert answer(text, "2026-01-06 12:00", environment="qa").open
    assert answer(text, "2026-01-06 12:00", team="other").open


def test_what_never_opens_has_no_next_moment() -> None:
    """Freezes of every day leave no moment within the horizon, and the search ends."""
    text = "freezes: [{name: f, reason: r, days: [mon, tue, wed, thu, fri, sat, sun]}]"
    assert answer(text, "2026-01-06 12:00").next_open is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zone: Mars/Base", "IANA"),
        ("windows: [{from: '25:00'}]", "HH:MM"),
        ("freezes: [{name: f, reason: r}]", "exactly one"),
        ("freezes: [{name: f, reason: r, from: 2026-02-30, until: 2026-03-01}]", "2026-12-24"),
        ("freezes: [{name: f, reason: r, from: 2026-03-02, until: 2026-03-01}]", "`until` later"),
        ("freezes: [{name: f, reason: r, from: 2026-03-02}]", "both"),
        ("freezes: [{name: f, reason: r, holidays: XX}]", "a code such as DE"),
        ("windos: []", "windows"),
    ],
)
def test_a_calendar_that_means_nothing_is_refused(text, expected) -> None:
    """One error, with its line and what was expected."""
    with pytest.raises(DocumentError, match=expected) as caught:
        calendar(text)
    assert "c.yaml:3" in str(caught.value)


MIXED = [calendar(OFFICE), calendar("zone: America/New_York\nfreezes: [{name: f, reason: r, days: [wed]}]")]


@given(
    st.integers(0, 2 * 365 * 24 * 3600).map(
        lambda seconds: at("2026-01-01 00:00") + timedelta(seconds=seconds)
    )
)
def test_the_next_open_moment_is_open_and_is_the_next(moment: datetime) -> None:
    """It is open, it is not before the moment, and the moment before it is closed unless it is now."""
    place = {"service": "shop", "team": "store", "environment": "prod"}
    opens = ask(MIXED, moment, **place).next_open
    assert opens is not None
    assert opens >= moment
    assert ask(MIXED, opens, **place).open
    if opens > moment:
        assert not ask(MIXED, opens - timedelta(microseconds=1), **place).open
        assert not ask(MIXED, moment + (opens - moment) / 2, **place).open
