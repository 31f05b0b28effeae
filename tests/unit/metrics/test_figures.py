"""The five figures, rule by rule, on hand-made facts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.metrics import figures as dora
from clearway.metrics.model import Change, Deployed, Facts, Failure, Settings, Window

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=30), NOW)
PLAIN = Settings()


def deployed(id: str, hours_ago: float, outcome: Any = "succeeded", intent: Any = "planned") -> Deployed:
    return Deployed(id, "shop", "prod", id, outcome, intent, NOW - timedelta(hours=hours_ago))


def change(sha: str, deployment: str, hours_ago: float) -> Change:
    return Change(sha, deployment, NOW - timedelta(hours=hours_ago))


def failure(
    id: str, deployment: str | None, opened: float, restored: float | None, by: str | None = None
) -> Failure:
    end = None if restored is None else NOW - timedelta(hours=restored)
    return Failure(id, deployment, NOW - timedelta(hours=opened), end, by)


def test_nothing_is_none_and_not_zero() -> None:
    """Empty denominators give null, and the report is JSON."""
    report = dora.report("shop", "prod", Facts([]), WINDOW, PLAIN).to_json()
    figures = json.loads(json.dumps(report, allow_nan=False))["figures"]
    assert list(figures) == [
        "change_lead_time", "deployment_frequency", "failed_deployment_recovery_time", "change_fail_rate",
        "deployment_rework_rate",
    ]  # fmt: skip
    for name in (
        "change_lead_time",
        "failed_deployment_recovery_time",
        "change_fail_rate",
        "deployment_rework_rate",
    ):
        assert figures[name]["value"] is None
        assert figures[name]["text"].startswith("no ")
    assert figures["deployment_frequency"]["value"] == 0
    versions = {name: figure["definition"].partition("/")[2] for name, figure in figures.items()}
    assert versions == {**dict.fromkeys(figures, "1"), "change_lead_time": "2"}


def test_lead_time() -> None:
    """Finish - commit of each change that arrived by a success in the window; the rest is counted."""
    facts = Facts(
        [deployed("d0", 800), deployed("d1", 100), deployed("d2", 50), deployed("d3", 40, "rolled-back"),
         deployed("d4", 10, intent="rollback"), deployed("d5", 5)],
        [change("a", "d2", 60), change("b", "d2", 70), change("c", "d5", 45), change("z", "d5", 4),
         change("first", "d1", 200), change("bad", "d3", 41), change("back", "d4", 300),
         change("old", "d0", 900)],
        frozenset({"d1"}),
    )  # fmt: skip
    figure = dora.change_lead_time(facts, WINDOW, PLAIN)
    assert figure.value == 20 * 3600
    assert figure.ids == ("a", "b", "c")
    assert figure.detail["p90"] == pytest.approx((20 + 0.8 * 20) * 3600)
    assert dict(figure.excluded) == {"clock skew": 1, "no baseline": 1}
    assert figure.detail["deployments"] == ["d2", "d5"]
    brought = [(each["commit"], each["deployment"], each["seconds"]) for each in figure.detail["changes"]]
    assert brought == [("a", "d2", 10 * 3600), ("b", "d2", 20 * 3600), ("c", "d5", 40 * 3600)]
    assert figure.text == "20h (median of 3 changes)"


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.sampled_from([0.5, 0.75, 0.9]))
def test_percentiles_interpolate(values: list[float], share: float) -> None:
    """PERCENTILE_CONT as PostgreSQL and numpy compute it."""
    import numpy as np

    assert dora.percentile(values, share, PLAIN) == pytest.approx(
        np.percentile(values, share * 100), abs=1e-6
    )


def test_the_lower_median_is_a_mode() -> None:
    """Apache DevLake's lower median, for those who compare."""
    assert dora.percentile([1, 2, 3, 4], 0.5, PLAIN) == 2.5
    assert dora.percentile([1, 2, 3, 4], 0.5, Settings(percentile="lower")) == 2
    assert dora.percentile([], 0.5, PLAIN) is None


def test_frequency_counts_empty_days() -> None:
    """Days of the zone, with zeros; rollbacks, failures and configuration apart."""
    facts = Facts(
        [deployed("a", 1), deployed("b", 2), deployed("c", 60), deployed("r", 3, intent="rollback"),
         deployed("k", 4, intent="config-only"), deployed("x", 5, "rolled-back")]
    )  # fmt: skip
    figure = dora.deployment_frequency(facts, WINDOW)
    assert (figure.count, figure.detail["days"], figure.detail["deployment_days"]) == (3, 31, 2)
    assert figure.value == pytest.approx(3 / 31)
    assert dict(figure.excluded) == {"intent config-only": 1, "intent rollback": 1, "rolled-back": 1}
    series = figure.detail["series"]
    assert len(series["day"]) == 31
    assert sum(bucket["deployments"] for bucket in series["week"]) == 3
    assert [bucket["start"] for bucket in series["month"]] == ["2026-03-01"]
    assert sum(bucket["deployments"] for bucket in figure.detail["side_series"]["rollback"]) == 1


def test_days_are_days_of_the_zone() -> None:
    """23:30 UTC is the next day in Berlin; the day that spring shortens is one day."""
    window = Window(
        datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC), "Europe/Berlin"
    )
    late = Deployed("a", "s", "p", "1", "succeeded", "planned", datetime(2026, 3, 28, 23, 30, tzinfo=UTC))
    days = dora.buckets([late], window, "day")
    assert [bucket.start for bucket in days] == [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)]
    assert [bucket.deployments for bucket in days] == [0, 1, 0]
    weeks = dora.buckets([late], window, "week")
    assert [(week.start, week.deployments) for week in weeks] == [
        (date(2026, 3, 23), 1),
        (date(2026, 3, 30), 0),
    ]


def test_recovery_time() -> None:
    """Latest restore of a deployment's incidents - its finish; unresolved and unrelated apart."""
    facts = Facts(
        [deployed("bad", 100), deployed("canary", 48, "rolled-back"), deployed("dark", 20, "failed-in-prod")],
        failures=[
            failure("i1", "bad", 99, 98), failure("i2", "bad", 97, 96),  # one failure, latest restore: 4 h
            failure("i3", "canary", 50, 48),  # noticed before it ended: 2 h
            failure("i4", "dark", 20, None),
            failure("i5", None, 30, 29),
        ],
    )  # fmt: skip
    figure = dora.recovery_time(facts, WINDOW, PLAIN)
    assert figure.value == 3 * 3600
    assert figure.ids == ("bad", "canary")
    assert figure.detail["since_detected"] == pytest.approx(2.5 * 3600)
    assert figure.detail["unresolved"] == [{"deployment": "dark", "age": 20 * 3600}]
    assert dict(figure.excluded) == {"not caused by a change": 1, "unresolved": 1}
    assert figure.detail["other_incidents"] == {"ids": ["i5"], "p50": 3600}


def test_change_fail_rate() -> None:
    """Distinct deployments that needed intervention over those that reached production."""
    facts = Facts(
        [deployed("good", 200), deployed("bad", 100), deployed("way-back", 99, intent="rollback"),
         deployed("canary", 80, "rolled-back"), deployed("dark", 70, "failed-in-prod"),
         deployed("contained", 60, "aborted-before-traffic"), deployed("hurt", 50), deployed("young", 2)],
        failures=[failure("i1", "canary", 80, 79), failure("i2", "hurt", 49, 48),
                  failure("i3", "hurt", 47, 46)],
    )  # fmt: skip
    figure = dora.change_fail_rate(facts, WINDOW, PLAIN)
    assert (figure.value, figure.count) == (4 / 6, 6)
    assert {row["deployment"]: row["why"] for row in figure.detail["failed"]} == {
        "bad": "rolled back by way-back", "canary": "rolled-back", "dark": "failed-in-prod",
        "hurt": "incident i2",
    }  # fmt: skip
    assert dict(figure.excluded) == {"contained: aborted before traffic": 1, "rollbacks": 1}
    assert figure.detail["immature"] == ["young"]
    strict = dora.change_fail_rate(facts, WINDOW, Settings(contained_fails=True))
    assert (strict.value, strict.count) == (5 / 7, 7)


def test_causes_are_suggested_never_assumed() -> None:
    """An incident without a cause names the last deployment within a day, and counts for nothing."""
    facts = Facts(
        [deployed("old", 90), deployed("near", 50)],
        failures=[failure("i1", None, 49, 48), failure("i2", None, 400, 1)],
    )
    figure = dora.change_fail_rate(facts, WINDOW, PLAIN)
    assert figure.value == 0
    assert figure.detail["suggested"] == [{"incident": "i1", "deployment": "near"}]


def test_rework_rate() -> None:
    """Declared rework, what ended an incident, and rollbacks, over all deployments of six months."""
    facts = Facts(
        [deployed("ancient", 24 * 200), deployed("long-ago", 24 * 100),
         deployed("hotfix", 90, intent="rework"),
         deployed("fix", 80), deployed("back", 70, intent="rollback"),
         deployed("never", 60, "aborted-before-traffic"),
         deployed("self", 50, "rolled-back")],
        failures=[failure("i1", "long-ago", 82, 80, "fix"), failure("i2", "self", 51, 50, "self")],
    )  # fmt: skip
    figure = dora.rework_rate(facts, WINDOW, PLAIN)
    assert (figure.value, figure.count) == (3 / 5, 5)
    assert {row["deployment"]: row["why"] for row in figure.detail["rework"]} == {
        "hotfix": "declared", "fix": "ended an incident", "back": "rollback",
    }  # fmt: skip
    without = dora.rework_rate(facts, WINDOW, Settings(rollbacks_are_rework=False))
    assert (without.value, without.count) == (2 / 4, 4)


def test_declared_intent_goes_before_what_is_inferred() -> None:
    """A deployment that happened to end an incident is no rework once somebody says that it was planned."""
    said = replace(deployed("fix", 80), declared_by="ona")
    failures = [failure("i1", "bad", 82, 80, "fix")]
    assert dora.rework_rate(Facts([deployed("fix", 80)], failures=failures), WINDOW, PLAIN).value == 1
    assert dora.rework_rate(Facts([said], failures=failures), WINDOW, PLAIN).value == 0


def test_what_finished_outside_the_window_does_not_count() -> None:
    """The start belongs to the window, the end does not."""
    edge = Facts([deployed("start", 30 * 24), deployed("end", 0), deployed("before", 30 * 24 + 0.01)])
    assert dora.deployment_frequency(edge, WINDOW).ids == ("start",)
