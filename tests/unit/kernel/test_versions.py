"""Versions: what is one, what comes after it, and how it is written."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.kernel import (
    LEVELS,
    Invalid,
    check_channel,
    next_calendar,
    raise_release,
    read_version,
    tokens,
    write_version,
)

NUMBER = st.integers(0, 10**6)
RELEASE = st.tuples(NUMBER, NUMBER, NUMBER)
SCHEME = st.sampled_from(["semver", "pep440"])
CHANNEL = st.sampled_from(["", "rc", "beta", "alpha", "dev"])
DAY = st.dates(date(2001, 1, 1), date(2199, 12, 31))
FORMAT = st.sampled_from(
    ["YYYY.0M.MICRO", "YYYY.MM.DD.MICRO", "YY.MM.MICRO", "YYYY.MICRO", "0Y.0W.MINOR.MICRO", "YYYY.WW.MICRO"]
)


@given(SCHEME, RELEASE, CHANNEL, st.integers(0, 10**6))
def test_what_is_written_is_read_back(scheme, release, channel, serial) -> None:
    """Numbers, channel and serial come back; a channel by the scheme's own name."""
    made = write_version(scheme, release, channel=channel, serial=serial)
    read = read_version(scheme, made.text)
    assert read == made
    assert read.release == release
    assert read.channel == (check_channel(scheme, channel) if channel else "")
    assert read.serial == (serial if channel else 0)
    assert read.final == (not channel)


@given(SCHEME, RELEASE, st.sampled_from(LEVELS))
def test_a_raised_version_is_higher_and_its_prereleases_are_between(scheme, release, level) -> None:
    """old < dev < a < b < rc.1 < rc.2 < new, as `semver` and `packaging` order them."""
    old = write_version(scheme, release)
    new = raise_release(release, level)
    names = ("alpha", "beta") if scheme == "semver" else ("dev", "alpha", "beta")
    between = [write_version(scheme, new, channel=name, serial=3) for name in names]
    between += [write_version(scheme, new, channel="rc", serial=number) for number in (1, 2, 10)]
    order = [each.order for each in (old, *between, write_version(scheme, new))]
    assert order == sorted(order)
    assert len(set(order)) == len(order)


@given(st.text(max_size=60), st.sampled_from(["semver", "pep440", "calver"]))
def test_no_text_makes_reading_fail(text, scheme) -> None:
    """A tag may be called anything: it is a version or it is none."""
    found = read_version(scheme, text, "YYYY.0M.MICRO")
    assert found is None or found.text == text


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("semver", "1.2"),
        ("semver", "01.2.3"),
        ("semver", "1.2.3+build"),
        ("semver", "v1.2.3"),
        ("semver", "1.2.3-"),
        ("semver", "١.٢.٣"),
        ("pep440", "1.2.3+local"),
        ("pep440", "one"),
        ("calver", "2026.13.0"),
        ("calver", "2026.4.0"),
        ("calver", "2026.04"),
        ("semver", "1." + "9" * 200 + ".0"),
    ],
)
def test_what_is_nearly_a_version_is_none(scheme, text) -> None:
    """Build metadata, local versions, other formats, other alphabets: no version of a release."""
    assert read_version(scheme, text, "YYYY.0M.MICRO") is None


@given(FORMAT, st.lists(st.tuples(DAY, st.sampled_from(LEVELS)), min_size=2, max_size=8))
def test_calendar_versions_only_grow(calendar, days) -> None:
    """Each next one is higher than the last, on whatever day, also when the clock goes back."""
    last = None
    for day, level in days:
        numbers = next_calendar(calendar, last, day, level)
        made = write_version("calver", numbers, calendar=calendar)
        if last is not None:
            assert made.order > write_version("calver", last, calendar=calendar).order
        last = made.release
        assert last == numbers


def test_a_calendar_counter_starts_anew_with_the_period() -> None:
    """Two in one month count up; the next month starts at 0; a feature raises MINOR where there is one."""
    day = date(2026, 11, 23)
    first = next_calendar("YYYY.0M.MICRO", None, day)
    assert first == (2026, 11, 0)
    assert next_calendar("YYYY.0M.MICRO", first, day) == (2026, 11, 1)
    assert next_calendar("YYYY.0M.MICRO", (2026, 11, 7), day + timedelta(days=9)) == (2026, 12, 0)
    assert next_calendar("YYYY.MINOR.MICRO", (2026, 3, 4), day, "minor") == (2026, 4, 0)
    assert next_calendar("YYYY.MINOR.MICRO", (2026, 3, 4), day, "patch") == (2026, 3, 5)
    assert write_version("calver", (2026, 4, 0), calendar="YYYY.0M.MICRO").text == "2026.04.0"


def test_weeks_belong_to_their_own_year() -> None:
    """The last days of December may be in the next year's first week, by ISO 8601."""
    assert next_calendar("YYYY.0W.MICRO", None, date(2024, 12, 30)) == (2025, 1, 0)


def test_a_format_without_a_counter_makes_one_release_in_a_period() -> None:
    """The second one is refused with what is missing."""
    with pytest.raises(Invalid, match="has no counter"):
        next_calendar("YYYY.MM.DD", (2026, 11, 23), date(2026, 11, 23))


@pytest.mark.parametrize(
    "calendar",
    ["", "MM.YYYY", "YYYY.MICRO.MM", "YYYY.YY", "YYYY.MICRO.MICRO", "yyyy.mm", "YYYY..MM", "MICRO"],
)
def test_what_is_no_calendar_format(calendar) -> None:
    """A year first, each part once, counters last."""
    with pytest.raises(Invalid):
        tokens(calendar)


@pytest.mark.parametrize(
    ("scheme", "channel"), [("pep440", "next"), ("semver", "1"), ("semver", "rc 1"), ("semver", "rc.1")]
)
def test_a_channel_must_suit_its_scheme(scheme, channel) -> None:
    """PEP 440 knows four; SemVer's must not look like a number."""
    with pytest.raises(Invalid):
        check_channel(scheme, channel)
