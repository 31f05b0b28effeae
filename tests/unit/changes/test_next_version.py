"""The next version: what raises what, what is never taken back, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.catalog import BranchChannel, Versioning
from clearway.changes.change import Change
from clearway.changes.next_version import Next, Past, next_version
from clearway.kernel import Conflict, Version, read_version

TODAY = date(2026, 11, 23)
RULES = Versioning()


def change(kind: str = "fix", text: str = "x", breaking: bool = False) -> Change:
    return Change("c" * 40, "dev", "", None, text, (text,) if breaking else (), type=kind)


FIX, FEATURE, BREAKING, CHORE = change(), change("feat"), change("fix", breaking=True), change("chore")


def versions(rules: Versioning, *texts: str) -> tuple[Version, ...]:
    found = [read_version(rules.scheme, text, rules.calendar) for text in texts]
    assert all(found), texts
    return tuple(each for each in found if each)


def past(*reached: str, elsewhere: tuple[str, ...] = (), here: tuple[str, ...] = (), rules=RULES) -> Past:
    known = versions(rules, *reached)
    finals = [each for each in known if each.final]
    last = max(finals, key=lambda each: each.order, default=None)
    announced = tuple(each for each in known if not each.final)
    return Past(last, "a" * 40, announced, known + versions(rules, *elsewhere), versions(rules, *here))


def after(*reached: str, by: Change, rules: Versioning = RULES, **options) -> str | None:
    where = {key: options.pop(key) for key in ("elsewhere", "here") if key in options}
    found = next_version(rules, past(*reached, rules=rules, **where), [by], TODAY, **options)
    return found.version.text if found.version else None


@pytest.mark.parametrize(
    ("last", "by", "comes"),
    [
        ("1.2.3", FIX, "1.2.4"),
        ("1.2.3", change("perf"), "1.2.4"),
        ("1.2.3", FEATURE, "1.3.0"),
        ("1.2.3", BREAKING, "2.0.0"),
        ("1.2.3", CHORE, "1.2.4"),
        ("0.4.1", BREAKING, "0.5.0"),
        ("0.4.1", FEATURE, "0.5.0"),
        ("0.4.1", FIX, "0.4.2"),
        ("10.20.30", FEATURE, "10.21.0"),
    ],
)
def test_the_largest_change_raises_its_number(last: str, by: Change, comes: str) -> None:
    """Breaking, feature, fix; in 0.x a breaking change stays below 1."""
    assert after(last, by=by) == comes


def test_the_largest_of_several_counts_and_is_the_reason() -> None:
    """One feature among fixes raises the minor number, and is named."""
    found = next_version(RULES, past("1.0.0"), [FIX, FEATURE, CHORE], TODAY)
    assert (found.tag, found.level, found.reasons, found.changes) == ("v1.1.0", "minor", (FEATURE,), 3)
    assert found.why == "a feature since 1.0.0 raises the minor number"


def test_a_breaking_change_may_leave_zero_when_the_service_says_so() -> None:
    """`breaking_before_1: major` leads to 1.0.0."""
    assert after("0.4.1", by=BREAKING, rules=Versioning(breaking_before_1="major")) == "1.0.0"


def test_quiet_changes_may_make_no_version() -> None:
    """With `quiet: none` documentation alone is no release; a fix still is."""
    rules = Versioning(quiet="none")
    found = next_version(rules, past("1.0.0"), [CHORE], TODAY)
    assert (found.version, found.why) == (None, "nothing that makes a version changed since 1.0.0")
    assert after("1.0.0", by=FIX, rules=rules) == "1.0.1"


def test_nothing_new_makes_no_version() -> None:
    """The released commit itself needs no second version."""
    found = next_version(RULES, past("1.0.0"), [], TODAY)
    assert (found.version, found.tag, found.why) == (None, None, "nothing changed since 1.0.0")


def test_the_first_version_is_the_declared_one() -> None:
    """Without a tag, `initial`; CalVer begins with the day."""
    assert after(by=BREAKING) == "0.1.0"
    assert after(by=FIX, rules=Versioning(initial="1.0.0")) == "1.0.0"
    assert after(by=FIX, rules=Versioning(scheme="calver")) == "2026.11.0"


def test_release_as_decides() -> None:
    """The footer's version is taken, with or without the tag's prefix; never one that is behind."""
    assert after("1.2.3", by=FIX, release_as="3.0.0") == "3.0.0"
    assert after("1.2.3", by=FIX, release_as="v3.0.0") == "3.0.0"
    for bad in ("1.2.3", "1.0.0", "three", "2.0.0-rc.1"):
        with pytest.raises(Conflict, match="Release-As"):
            after("1.2.3", by=FIX, release_as=bad)


def test_prereleases_count_up_within_their_channel() -> None:
    """rc.1, rc.2; another channel and other numbers begin at 1; what others took is not taken again."""
    assert after("1.2.3", by=FEATURE, channel="rc") == "1.3.0-rc.1"
    assert after("1.2.3", "1.3.0-rc.1", by=FEATURE, channel="rc") == "1.3.0-rc.2"
    assert after("1.2.3", "1.3.0-rc.9", "1.3.0-rc.10", by=FIX, channel="rc") == "1.3.0-rc.11"
    assert after("1.2.3", "1.3.0-rc.4", by=FEATURE, channel="beta") == "1.3.0-beta.1"
    assert after("1.2.3", "1.3.0-rc.4", by=BREAKING, channel="rc") == "2.0.0-rc.1"
    assert after("1.2.3", by=FEATURE, channel="rc", elsewhere=("1.3.0-rc.7",)) == "1.3.0-rc.8"


def test_what_a_prerelease_announced_is_kept() -> None:
    """After 2.0.0-rc.1 a mere fix still leads to 2.0.0."""
    assert after("1.2.3", "2.0.0-rc.1", by=FIX) == "2.0.0"
    assert after("1.2.3", "2.0.0-rc.1", by=FIX, channel="rc") == "2.0.0-rc.2"
    assert after("2.0.0", "2.0.0-rc.1", by=FIX) == "2.0.1"


def test_a_commit_is_one_prerelease_of_a_channel() -> None:
    """Asked twice for the same commit, nothing new comes; its final version does."""
    assert after("1.2.3", "1.3.0-rc.1", by=FEATURE, channel="rc", here=("1.3.0-rc.1",)) is None
    assert after("1.2.3", "1.3.0-rc.1", by=FEATURE, here=("1.3.0-rc.1",)) == "1.3.0"


def test_a_name_on_another_line_of_history_is_refused() -> None:
    """On a maintenance branch 1.3.0 may be out already elsewhere: nothing is guessed around it."""
    with pytest.raises(Conflict, match=r"1\.3\.0.*another line of history"):
        after("1.2.3", by=FEATURE, elsewhere=("1.3.0",))
    assert after("1.2.3", by=FIX, elsewhere=("1.3.0",)) == "1.2.4"


def test_pep440_in_its_own_words() -> None:
    """rc1 and dev, epochs, and that 1.2 is 1.2.0."""
    rules = Versioning(scheme="pep440", tag_prefix="")
    assert after("1.2", by=FEATURE, rules=rules) == "1.3.0"
    assert after("1.2.post1", by=FIX, rules=rules) == "1.2.1"
    assert after("1.2.3", "1.3.0rc1", by=FEATURE, rules=rules, channel="rc") == "1.3.0rc2"
    assert after("1.2.3", by=FEATURE, rules=rules, channel="dev") == "1.3.0.dev1"
    assert after("1!1.2.3", by=FIX, rules=rules) == "1!1.2.4"
    with pytest.raises(Conflict):
        after("1.2.3", by=FEATURE, rules=rules, elsewhere=("1.3",))


def test_calendar_versions_count_over_every_line_of_history() -> None:
    """A day's number that a branch took is not taken again."""
    rules = Versioning(scheme="calver")
    assert after("2026.11.0", by=FIX, rules=rules) == "2026.11.1"
    assert after("2026.11.0", by=FIX, rules=rules, elsewhere=("2026.11.4",)) == "2026.11.5"
    assert after("2026.10.7", by=BREAKING, rules=rules) == "2026.11.0"
    assert after("2027.01.0", by=FIX, rules=rules) == "2027.01.1"


CHANGES = st.lists(st.sampled_from([FIX, FEATURE, BREAKING, CHORE]), min_size=1, max_size=4)
STEP = st.tuples(CHANGES, st.sampled_from(["", "", "rc", "beta"]), st.integers(0, 40))


@given(
    st.sampled_from(
        [
            RULES,
            Versioning(scheme="pep440"),
            Versioning(scheme="calver"),
            Versioning(breaking_before_1="major"),
        ]
    ),
    st.lists(STEP, min_size=1, max_size=10),
)
def test_a_line_of_releases_only_grows(rules: Versioning, steps) -> None:
    """Finals only grow; no name is given twice; the same question has the same answer."""
    made: list[Version] = []
    for changes, channel, day in steps:
        known = past(*(each.text for each in made), rules=rules)
        today = date.fromordinal(TODAY.toordinal() + day)
        found: Next = next_version(rules, known, changes, today, channel=channel)
        assert found == next_version(rules, known, changes, today, channel=channel)
        assert found.version is not None
        assert found.version.text not in {each.text for each in made}
        assert rules.version_of(found.tag or "") == found.version
        if known.last is not None:
            assert found.version.order > known.last.order
        made.append(found.version)


def test_a_channel_belongs_to_branches() -> None:
    """The first pattern that fits counts; `*` is any text; nothing else is a pattern."""
    rules = Versioning(
        channels=(
            BranchChannel(branch="next", channel="rc"),
            BranchChannel(branch="feature/*", channel="alpha"),
            BranchChannel(branch="feature/x.y", channel="beta"),
        )
    )
    assert [rules.channel_of(name) for name in ("next", "nextX", "feature/x.y", "featurexx", "main")] == [
        "rc",
        "",
        "alpha",
        "",
        "",
    ]
