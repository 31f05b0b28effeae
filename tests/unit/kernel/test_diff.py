"""What applying a file would change."""

from __future__ import annotations

from clearway.kernel import Diff, differences


def test_only_what_differs_is_a_change() -> None:
    """Create, update and none are told apart; what is not mentioned stays."""
    found = differences(
        "Team", {"a": {"x": 1}, "b": {"x": 1}, "gone": {}}, {"a": {"x": 1}, "b": {"x": 2}, "c": {}}
    )
    assert [(diff.name, diff.action) for diff in found] == [("a", "none"), ("b", "update"), ("c", "create")]


def test_pruning_is_asked_for() -> None:
    """What is not mentioned goes only with prune."""
    found = differences("Team", {"gone": {"x": 1}}, {}, prune=True)
    assert found == [Diff("Team", "gone", "delete", {"x": 1})]


def test_changes_name_the_innermost_key() -> None:
    """A person reads which key changes, from what to what."""
    diff = Diff(
        "E", "prod", "update", {"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3, "c": 2}, "e": None, "f": 1}
    )
    assert diff.changes == (("a.b", 1, 3), ("d", [1], None), ("f", None, 1))
