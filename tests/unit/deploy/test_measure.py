"""From counters to what a judge is given."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rollouts import METRIC

from clearway.catalog import ValuesMetric
from clearway.deploy.measure import add_look, bucket_values, judge_inputs, read_counters
from clearway.deploy.ports import Sample

TOOK = ValuesMetric(name="took", kind="values", histogram="took")


def look(measured: dict[str, Any], **by_instance: dict[str, float]) -> dict[str, Any]:
    return add_look(measured, {"new": by_instance}, 1.0)


def total(measured: dict[str, Any], key: str) -> float:
    return float(measured["totals"]["new"].get(key, 0.0))


def test_what_was_counted_before_the_canary_does_not_count() -> None:
    """The first sight of an instance is where its counting starts."""
    measured = look({}, one={"errors/trials": 1000.0})
    assert total(measured, "errors/trials") == 0
    assert total(look(measured, one={"errors/trials": 1010.0}), "errors/trials") == 10


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=20))
def test_resets_neither_lose_nor_invent(steps: list[tuple[int, bool]]) -> None:
    """Any order of counting and restarting: the total is what was counted between looks, never negative."""
    measured, value, truth = look({}, one={"k": 0.0}), 0, 0
    for more, restarted in steps:
        if restarted and more < value:  # a restart that counted past the old value cannot be seen by anybody
            value = 0
        value += more
        truth += more
        measured = look(measured, one={"k": float(value)})
    assert total(measured, "k") == truth


def test_a_reset_counts_for_the_whole_histogram() -> None:
    """One bucket that fell means a new process: the others start from zero too, though they did not fall."""
    measured = look({}, one={"took/le/0.1": 10.0, "took/le/+Inf": 100.0})
    measured = look(measured, one={"took/le/0.1": 20.0, "took/le/+Inf": 60.0})
    assert (total(measured, "took/le/0.1"), total(measured, "took/le/+Inf")) == (20, 60)


def test_an_instance_that_cannot_be_read_is_caught_up_with() -> None:
    """A missed look loses nothing: the next one has its increase too."""
    measured = look({}, one={"k": 0.0}, two={"k": 0.0})
    measured = look(measured, one={"k": 5.0})
    assert total(look(measured, one={"k": 6.0}, two={"k": 7.0}), "k") == 13


def test_labels_match_as_a_whole() -> None:
    """`5..` is 500 and 503, not 1500."""
    samples = [Sample("requests_total", {"status": s}, 1.0) for s in ("200", "500", "503", "1500")]
    assert read_counters((METRIC,), samples) == {"errors/events": 2.0, "errors/trials": 4.0}


def test_nonsense_is_no_number() -> None:
    """What is not finite, or below zero, is missing, not zero."""
    samples = [Sample("requests_total", {"status": "200"}, float("nan"))]
    assert "errors/trials" not in read_counters((METRIC,), samples)


def test_nothing_seen_gives_the_judge_nothing() -> None:
    """No trials on either side: the judge is told zero of zero, which it never passes."""
    (asked,) = judge_inputs((METRIC,), {})
    assert tuple(asked.baseline) == tuple(asked.canary) == (0.0, 0.0)


@given(st.lists(st.integers(0, 500), min_size=3, max_size=3))
def test_a_histogram_becomes_as_many_values_as_were_hit(hits: list[int]) -> None:
    """Few are kept exactly, many are thinned evenly; every value lies in a bucket that was hit."""
    bounds, sums = ("0.1", "1.0", "+Inf"), [sum(hits[: i + 1]) for i in range(3)]
    values = bucket_values("took", {f"took/le/{b}": float(s) for b, s in zip(bounds, sums, strict=True)})
    assert len(values) == min(400, sum(hits)) or abs(len(values) - 400) <= 1
    middles = {0.05: hits[0], 0.55: hits[1], 1.5: hits[2]}
    assert all(middles[round(value, 2)] > 0 for value in values)


def test_buckets_of_a_metric_are_read() -> None:
    """A histogram's buckets are cumulated counters by their bound."""
    samples = [Sample("took_bucket", {"le": "0.1"}, 3.0), Sample("took_bucket", {"le": "+Inf"}, 4.0)]
    assert read_counters((TOOK,), samples) == {"took/le/0.1": 3.0, "took/le/+Inf": 4.0}
