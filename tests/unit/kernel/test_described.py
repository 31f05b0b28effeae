"""A model's schema tells what stands below its fields."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from clearway.kernel import Described


class Inner(Described):
    """What is inside."""

    depth: int = 1
    """How deep."""


class Outer(Described):
    """What is outside."""

    model_config = ConfigDict(defer_build=True)

    first: int
    """The first of
    two lines."""
    second: str = Field(default="x", description="Said at the field.")
    """Not this."""
    silent: bool = False
    same: Inner | None = None
    """Perhaps something."""
    inner: Inner = Inner()
    """What is inside."""
    named: int = Field(default=0, alias="other")
    """Under another name."""


class Further(Outer):
    """More."""

    more: int = 0
    """And more."""


def _described(schema: dict[str, Any]) -> dict[str, str | None]:
    return {name: each.get("description") for name, each in schema["properties"].items()}


def test_texts_below_fields_are_descriptions() -> None:
    """A field's text is its description; one said at the field wins; what a model says is not said twice."""
    schema = Outer.model_json_schema()
    assert _described(schema) == {
        "first": "The first of\ntwo lines.",
        "second": "Said at the field.",
        "silent": None,
        "same": "Perhaps something.",
        "inner": None,
        "other": "Under another name.",
    }
    assert _described(schema["$defs"]["Inner"]) == {"depth": "How deep."}


def test_inherited_fields_keep_their_texts() -> None:
    """A model that adds a field says the others' texts too."""
    found = _described(Further.model_json_schema())
    assert found["first"] == "The first of\ntwo lines."
    assert found["more"] == "And more."


def test_a_model_without_source_tells_nothing() -> None:
    """A model that was made at run time has a schema all the same."""
    made = type("Made", (Described,), {"__annotations__": {"n": int}, "__module__": "nowhere"})
    assert _described(made.model_json_schema()) == {"n": None}  # type: ignore[attr-defined]
