"""The pure ground everything stands on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.kernel import (
    Invalid,
    canonical,
    digest_of,
    format_duration,
    is_digest,
    new_id,
    parse_duration,
    sha256,
)


def test_ids_of_one_process_sort_in_the_order_they_were_made() -> None:
    """A later id always sorts later, even within one millisecond."""
    made = [new_id("prm") for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_survives_writing_and_reading(milliseconds: int) -> None:
    """format_duration and parse_duration are inverse on whole milliseconds."""
    span = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(span)) == span


@pytest.mark.parametrize("text", ["", "5", "m5", "5 m", "5x", "-5s", "1h 2m", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Anything but numbers with units is an error that says what was expected."""
    with pytest.raises(Invalid, match="expected a number and a unit"):
        parse_duration(text)


def test_canonical_bytes_do_not_depend_on_order() -> None:
    """RFC 8785: equal values have equal bytes and digests."""
    assert canonical({"b": 1, "a": [1.0, "é"]}) == '{"a":[1,"é"],"b":1}'.encode()
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_a_digest_is_told_from_other_text() -> None:
    """Only sha256: and 64 lower-case hexadecimal digits is a digest."""
    good = sha256(b"")
    assert is_digest(good)
    assert not any(map(is_digest, [good.upper(), good[:-1], good + "\n", "sha512:" + good[7:], ""]))
