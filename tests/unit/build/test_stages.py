"""What a build did when, read back from lines that may be cut, broken or double."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from clearway.build.stages import pack, read_lines, unpack

AT = "2026-11-23T10:00:0{}+00:00"


def lines(*told: dict[str, object]) -> str:
    return "".join(json.dumps({**each, "at": AT.format(at)}) + "\n" for at, each in enumerate(told))


def begin(name: str, within: str | None = None) -> dict[str, object]:
    return {"begin": name, "within": within, "needs": []}


def test_a_stage_that_began_again_counts_once() -> None:
    """What a crash interrupted is forgotten; the order is that of the last beginning."""
    found = read_lines(lines(begin("a"), begin("b"), begin("a"), {"end": "a", "state": "succeeded"}))
    assert [(each.name, each.state, each.seconds) for each in found] == [
        ("b", "running", None),
        ("a", "succeeded", 1.0),
    ]


@given(st.text(max_size=200), st.integers(0, 200))
def test_broken_lines_tell_nothing(text: str, cut: int) -> None:
    """Whatever stands there, the other lines are read."""
    good = lines(begin("a"), {"end": "a", "state": "succeeded", "code": 0})
    assert [each.name for each in read_lines(good + text.replace("\n", " "))] == ["a"]
    read_lines(good[:cut])


def test_packed_stages_come_back() -> None:
    """As they were."""
    found = read_lines(lines(begin("a"), begin("b", "a"), {"end": "b", "state": "failed", "attempts": 2}))
    assert unpack(json.loads(json.dumps(pack(found)))) == found
