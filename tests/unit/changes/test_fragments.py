"""Change fragments: towncrier's and changesets' files are read as their tools read them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.changes.fragments import (
    LONGEST,
    TYPES,
    Towncrier,
    changeset,
    towncrier_fragment,
    towncrier_settings,
)
from clearway.kernel import Invalid

PLAIN = Towncrier("newsfragments", TYPES)


@pytest.mark.parametrize(
    ("name", "raises"),
    [
        ("123.feature", "minor"),
        ("123.feature.rst", "minor"),
        ("123.bugfix.1.md", "patch"),
        ("+something.removal.rst", "major"),
        ("fix-1.2.bugfix", "patch"),
        ("123.doc", None),
        ("123.misc.rst", None),
    ],
)
def test_a_towncrier_fragment_says_its_type_in_its_name(name: str, raises: str | None) -> None:
    """issue.type, with a number and an ending or without; a removal breaks, misc is quiet."""
    found = towncrier_fragment(PLAIN, name, b"Words.\n", where=f"newsfragments/{name}")
    assert found is not None
    assert (found.raises, found.text, found.where) == (raises, "Words.", f"newsfragments/{name}")


@pytest.mark.parametrize("name", ["123.surprise.md", "notes.md", "123"])
def test_a_file_that_towncrier_would_not_read_stops(name: str) -> None:
    """A change that nobody counts is worse than a stop; the types are named."""
    with pytest.raises(Invalid, match="feature, bugfix"):
        towncrier_fragment(PLAIN, name, b"x", where="f")


@pytest.mark.parametrize("name", ["README.md", "README.rst", "template.jinja", ".gitignore", ".gitkeep"])
def test_what_lies_beside_the_fragments_is_none(name: str) -> None:
    """A README or a template tells of no change."""
    assert towncrier_fragment(PLAIN, name, b"x", where="f") is None


def test_towncriers_settings_in_both_forms() -> None:
    """Directory and package, a list of types or tables by name; a project without has none."""
    by_list = (
        b'[tool.towncrier]\ndirectory = "news/"\n[[tool.towncrier.type]]\ndirectory = "feature"\n'
        b'[[tool.towncrier.type]]\nname = "Security"\n'
    )
    found = towncrier_settings(by_list, where="pyproject.toml")
    assert found == Towncrier("news", {"feature": "minor", "security": "patch"})
    by_name = (
        b"[tool.towncrier]\npackage = 'a.b'\n[tool.towncrier.type.breaking]\n[tool.towncrier.type.docs]\n"
    )
    found = towncrier_settings(by_name, where="towncrier.toml")
    assert found == Towncrier("a/b/newsfragments", {"breaking": "major", "docs": None})
    assert towncrier_settings(b"[tool.other]\n", where="pyproject.toml") is None
    for bad in (b"[tool", b"\xff", b"[tool.towncrier]\ntype = 3\n", b"[tool.towncrier]\ndirectory = 3\n"):
        with pytest.raises(Invalid):
            towncrier_settings(bad, where="pyproject.toml")


CHANGESET = b"""---
"@web/shop": minor
'tools': major
other: none
---

Gifts can be wrapped.
"""


def test_a_changeset_says_a_level_for_each_package() -> None:
    """Ours counts with its words; one about others only is not ours; `none` is quiet."""
    found = {
        name: changeset(name, "brave-cats.md", CHANGESET, where="w")
        for name in ("@web/shop", "tools", "other")
    }
    assert {name: each.raises for name, each in found.items() if each} == {
        "@web/shop": "minor",
        "tools": "major",
        "other": None,
    }
    assert found["tools"] is not None
    assert found["tools"].text == "Gifts can be wrapped."
    assert changeset("stranger", "brave-cats.md", CHANGESET, where="w") is None
    assert changeset("x", "README.md", b"# Changesets", where="w") is None
    assert changeset("x", "config.json", b"{}", where="w") is None
    assert changeset("x", "empty.md", b"---\n---\n", where="w") is None


@pytest.mark.parametrize(
    "text", [b"no head", b"---\nshop: huge\n---\nx", b"---\nshop\n---\n", b"---\nshop: minor\n"]
)
def test_a_broken_changeset_stops_rather_than_be_forgotten(text: bytes) -> None:
    """A change that nobody counts is worse than a stop."""
    with pytest.raises(Invalid):
        changeset("shop", "a.md", text, where=".changeset/a.md")


def test_a_huge_fragment_is_refused() -> None:
    """It says how much was allowed."""
    with pytest.raises(Invalid, match="bytes"):
        towncrier_fragment(PLAIN, "1.feature", b"x" * (LONGEST + 1), where="f")


@given(st.binary(max_size=300), st.text(max_size=40))
def test_no_file_makes_reading_fail(raw: bytes, name: str) -> None:
    """Whatever lies there: a change, none, or a clear error."""
    for read in (
        lambda: towncrier_settings(raw, where="f"),
        lambda: towncrier_fragment(PLAIN, name, raw, where="f"),
        lambda: changeset("shop", f"{name}.md", b"---\n" + raw, where="f"),
    ):
        with contextlib.suppress(Invalid):
            assert read() is None or raw
