"""What changed of feature flags, in words; and no file of flags breaks the notes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from histories import World
from hypothesis import given
from hypothesis import strategies as st

from clearway import catalog, changes
from clearway.changes.flags import FlagSet, flag_changes, read_flags

GUIDE = (Path(__file__).parents[3] / "docs" / "how-to" / "release-notes.md").read_text(encoding="utf-8")


def flag(default: Any = "off", **more: Any) -> dict[str, Any]:
    return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": default, **more}


def told(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    sides = [read_flags([("flags.json", json.dumps({"flags": side}).encode())]) for side in (before, after)]
    return flag_changes(*sides)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, flag(), "x is new: off (false)"),
        (None, flag(state="DISABLED"), "x is new: disabled"),
        (None, flag(targeting={"if": [True, "on"]}), "x is new: off (false), but for some who are targeted"),
        (None, flag(None), "x is new: the code's default"),
        (None, flag("b", variants={"b": "b"}), "x is new: b"),
        (flag("on"), None, "x is gone: it was on (true)"),
        (flag("off"), flag("on"), "x changed: default off to on"),
        (flag(), flag(state="DISABLED"), "x changed: disabled"),
        (flag(state="DISABLED"), flag(), "x changed: enabled"),
        (flag(), flag(targeting={"a": 1}), "x changed: somebody is targeted now"),
        (flag(targeting={"a": 1}), flag(targeting={"a": 2}), "x changed: other people are targeted"),
        (flag(targeting={"a": 1}), flag(), "x changed: nobody is targeted any more"),
        (
            flag(),
            flag(variants={"on": 1, "third": {"b": 2, "a": 1}}),
            'x changed: variant off is gone, variant on true to 1, variant third is new ({"a": 1, "b": 2})',
        ),
    ],
)
def test_each_change_has_its_words(before: Any, after: Any, expected: str) -> None:
    """Came, went, state, default, variants, targeting."""
    assert told({"x": before} if before else {}, {"x": after} if after else {}) == (expected,)


def test_what_is_not_told() -> None:
    """Nothing when nothing ran before, when only words about a flag changed, or nothing did."""
    assert flag_changes(None, read_flags([("f", json.dumps({"flags": {"x": flag()}}).encode())])) == ()
    assert told({"x": flag(metadata={"owner": "a"})}, {"x": flag(metadata={"owner": "b"})}) == ()
    assert told({"x": flag()}, {"x": flag()}) == ()


def test_later_files_win_and_shared_rules_count() -> None:
    """As flagd merges its sources."""
    one = json.dumps({"flags": {"x": flag("off")}, "$evaluators": {"staff": {"a": 1}}}).encode()
    two = json.dumps({"flags": {"x": flag("on")}}).encode()
    assert read_flags([("1", one), ("2", two)]).flags["x"]["default"] == "on"
    changed = one.replace(b'"a": 1', b'"a": 2')
    assert flag_changes(read_flags([("1", one)]), read_flags([("1", changed)])) == (
        "the shared rule staff changed",
    )


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b'{"flags": []}', b'{"flags": {"x": 1}}', b"\xff\xfe", b"[" * 100_000, b"null",
     b'{"flags": {"x": {"variants": []}}}', b'{"flags": {}, "$evaluators": 3}'],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told(text: bytes) -> None:
    """On the side that comes; the other files' flags are told all the same."""
    good = ("good.json", json.dumps({"flags": {"x": flag()}}).encode())
    (said, wrong) = flag_changes(FlagSet(), read_flags([("bad.json", text), good]))
    assert said.startswith("x is new")
    assert wrong.startswith("bad.json cannot be read")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
PARTS = ("state", "variants", "defaultVariant", "targeting")
FLAGS = st.dictionaries(
    st.text(max_size=8),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("state", "variants", "defaultVariant", "targeting"), JSON)
    ),
    max_size=4,
)


@given(JSON | st.fixed_dictionaries({"flags": FLAGS}), JSON | st.fixed_dictionaries({"flags": FLAGS}))
def test_nothing_breaks_it_and_the_same_twice_is_the_same(one: Any, two: Any) -> None:
    """Whatever a repository holds: words, the same ones each time, and none about what did not change."""
    sides = [read_flags([("f", json.dumps(each).encode())]) for each in (one, two)]
    assert flag_changes(*sides) == flag_changes(*sides)
    assert flag_changes(sides[0], sides[0]) == sides[0].wrong


def test_notes_name_the_flags_of_the_two_commits(tmp_path: Path) -> None:
    """Read where clearway.yaml says; in every form; an audience that does not operate does not read them."""
    world = World(tmp_path)
    world.service("shop", ", path: app")
    yaml, *_ = (text for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "flags:" in text)
    definition = catalog.load_definition(yaml).model_dump(mode="json")
    (shown,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    before = json.loads(shown)
    before["flags"]["old-prices"] = {"state": "DISABLED", "variants": {}}
    after = json.loads(shown)
    after["flags"]["cheapest-first"] |= {"defaultVariant": "on", "targeting": {"if": [True, "off"]}}
    first = world.made.commit({"app/flags.json": json.dumps(before)}, "feat: one")
    second = world.made.commit({"app/flags.json": json.dumps(after)}, "feat: two")
    world.mirrors.sync("shop", str(world.made.root))

    def draft(**more: Any) -> changes.Notes:
        with world.database.read() as uow:
            return changes.draft_notes(uow, "shop", "2", second, definition=definition, **more)

    notes = draft(since_commit=first, since_definition=definition)
    (expected,) = (text for text in re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL) if "## Flags" in text)
    assert expected in changes.render(notes)
    assert "<h2>Flags</h2>" in changes.render(notes, "html", "stakeholders")
    assert "Flags" not in changes.render(notes, "markdown", "customers")
    assert notes.to_json()["flags"] == list(notes.flags)
    undeclared = {**definition, "flags": []}
    assert draft(since_commit=first, since_definition=undeclared).flags == notes.flags
    assert draft().flags == ()
    assert "flags" not in draft().to_json()


@pytest.mark.parametrize("path", ["../flags.json", "/flags.json", "a//b", "", "./x", "a\0b"])
def test_a_file_of_flags_is_in_the_services_folder(path: str) -> None:
    """What leaves it is refused where it is written."""
    with pytest.raises(Exception, match="flags"):
        catalog.ServiceDefinition.model_validate(
            {"service": "shop", "build": {"recipe": "make"}, "flags": [path]}
        )
