"""What moved between two looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clearway.source.refs import moves

NAMES = st.sampled_from(["refs/heads/main", "refs/heads/dev", "refs/tags/v1", "refs/tags/v2"])
LOOKS = st.dictionaries(NAMES, st.sampled_from("abc"))


def test_each_way_of_moving_has_its_word() -> None:
    """New, gone, further along, somewhere else; a tag that moved at all was rewritten."""
    before = {"refs/heads/a": "1", "refs/heads/b": "1", "refs/heads/c": "1", "refs/tags/t": "1"}
    after = {"refs/heads/a": "2", "refs/heads/b": "0", "refs/heads/d": "1", "refs/tags/t": "2"}
    found = moves(before, after, lambda old, new: old < new)
    assert [(each.ref[5:], each.kind) for each in found] == [
        ("heads/a", "advanced"),
        ("heads/b", "rewritten"),
        ("heads/c", "deleted"),
        ("heads/d", "created"),
        ("tags/t", "rewritten"),
    ]


@given(LOOKS, LOOKS)
def test_the_moves_lead_from_one_look_to_the_other(before: dict[str, str], after: dict[str, str]) -> None:
    """Carried out on what was, the moves give what is; nothing is left out, nothing said that is not."""
    there = dict(before)
    for each in moves(before, after, lambda old, new: old < new):
        assert there.get(each.ref) == each.old
        there.pop(each.ref, None)
        if each.new:
            there[each.ref] = each.new
    assert there == after
    assert moves(after, after, lambda old, new: True) == ()
