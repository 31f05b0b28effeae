"""Types, layers and masks, as values."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.catalog import ConfigKey
from clearway.config.model import MASK, Entry, Value, as_text, choose, digest, mask, typed


def key(**given: object) -> ConfigKey:
    return ConfigKey.model_validate({"type": "string", **given})


def entry(name: str, value: object, service: str | None, environment: str | None, **rest: object) -> Entry:
    given = {"version": 1, "secret": False, "actor": "a", "at": "", "reason": "", **rest}
    return Entry(key=name, service=service, environment=environment, value=value, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "value", "read", "wrong"),
    [
        (key(), "x", "x", None),
        (key(), 5, 5, "is not text"),
        (key(), True, True, "is not text"),
        (key(), "a\x00b", "a\x00b", "NUL"),
        (key(type="integer"), "5", 5, None),
        (key(type="integer"), " -7 ", -7, None),
        (key(type="integer"), 5, 5, None),
        (key(type="integer"), 5.0, 5.0, "not a whole number"),
        (key(type="integer"), "5.5", "5.5", "not a whole number"),
        (key(type="integer"), True, True, "not a whole number"),
        (key(type="integer"), "9007199254740992", "9007199254740992", "not a whole number"),
        (key(type="integer"), 2**53 - 1, 2**53 - 1, None),
        (key(type="integer"), "9" * 400, "9" * 400, "not a whole number"),
        (key(type="integer"), "", "", "not a whole number"),
        (key(type="integer", minimum=1), 0, 0, "below the minimum 1"),
        (key(type="integer", maximum=9), "10", 10, "above the maximum 9"),
        (key(type="number"), "1e3", 1000.0, None),
        (key(type="number"), ".5", 0.5, None),
        (key(type="number"), "nan", "nan", "not a number"),
        (key(type="number"), "1e999", "1e999", "not a number"),
        (key(type="boolean"), "True", True, None),
        (key(type="boolean"), False, False, None),
        (key(type="boolean"), "yes", "yes", "not true or false"),
        (key(type="boolean"), 1, 1, "not true or false"),
        (key(type="enum", values=["a", "b"]), "a", "a", None),
        (key(type="enum", values=["a", "b"]), "c", "c", "none of a, b"),
        (key(type="url"), "https://x.example/y", "https://x.example/y", None),
        (key(type="url"), "x.example", "x.example", "not a URL"),
        (key(type="url"), "http://[", "http://[", "not a URL"),
        (key(type="url"), "http://a b", "http://a b", "not a URL"),
        (key(type="duration"), "1h30m", "1h30m", None),
        (key(type="duration"), "soon", "soon", "not a span of time"),
    ],
)
def test_values_are_read_as_the_type_that_is_wanted(
    wanted: ConfigKey, value: object, read: object, wrong: str
) -> None:
    """Text becomes a number or a truth where one is wanted; everything else that differs is named."""
    got, said = typed(wanted, value)  # type: ignore[arg-type]
    assert (got, type(got)) == (read, type(read))
    assert (wrong in said) if wrong else said is None  # type: ignore[operator]


def test_the_nearest_layer_wins_and_is_named() -> None:
    """Schema, service, environment, service in environment: each overrides the one before."""
    schema = {name: key(default="0") for name in "ABCDE"}
    entries = [
        entry("D", "both", "shop", "prod"),
        *(entry(name, "environment", None, "prod") for name in "CD"),
        *(entry(name, "service", "shop", None) for name in "BCD"),
        entry("E", "gone", "shop", "prod", deleted=True),
    ]
    values, problems = choose(schema, entries)
    assert problems == []
    assert {name: (each.value, each.origin) for name, each in values.items()} == {
        "A": ("0", "default"),
        "B": ("service", "service"),
        "C": ("environment", "environment"),
        "D": ("both", "service+environment"),
        "E": ("0", "default"),
    }


def test_every_problem_is_named_at_once() -> None:
    """A promotion says everything that is wrong with its configuration, not the first thing."""
    schema = {
        "GREETING": key(),
        "LIMIT": key(type="integer", minimum=1),
        "TOKEN": key(secret=True),
        "KEY": key(secret=True),
        "MAYBE": key(required=False),
        "FINE": key(default="x"),
    }
    entries = [
        entry("LIMIT", "0", "shop", "prod"),
        entry("TOKEN", "plain", "shop", None),
        entry("GREETINGS", "Hi", "shop", "prod"),
    ]
    values, problems = choose(schema, entries)
    assert [(problem.key, problem.message) for problem in problems] == [
        ("GREETING", "is missing, a value of type string; `GREETINGS` is set and nobody reads it"),
        ("LIMIT", "is below the minimum 1 (from service+environment)"),
        (
            "TOKEN",
            "is stored in plain, and the schema says it is a secret; set it as a secret (from service)",
        ),
        ("KEY", "is missing, a secret"),
    ]
    assert set(values) == {"LIMIT", "TOKEN", "FINE"}
    assert values["TOKEN"].value is None  # not even a misplaced secret is passed on


def test_the_digest_sees_versions_of_secrets_and_values_of_the_rest() -> None:
    """A rotated secret or another value changes the digest; where a plain value comes from does not."""
    base = {"A": Value(1, "default"), "S": Value(None, "service", 3)}
    assert digest(base) == digest({"S": Value(None, "service", 3), "A": Value(1, "environment")})
    for other in (
        {**base, "S": Value(None, "service", 4)},
        {**base, "S": Value(None, "environment", 3)},
        {**base, "A": Value("1", "default")},
        {"A": base["A"]},
    ):
        assert digest(other) != digest(base)


def test_processes_read_text() -> None:
    """Truths and numbers are written as JSON writes them."""
    assert [as_text(value) for value in (True, 5, 1.5, "x y")] == ["true", "5", "1.5", "x y"]


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_never_shows(secret: str, before: str, after: str) -> None:
    """Whatever stands around a secret, and in whichever shape it is printed, it is hidden."""
    if len(secret.strip()) < 4:
        return
    encoded = base64.b64encode(secret.encode()).decode()
    for shape in (secret, encoded, quote(secret, safe="")):
        hidden = mask(f"{before}{shape}{after}", [secret])
        assert shape not in hidden or shape in MASK or shape in f"{before}{MASK}{after}"


def test_every_line_of_a_secret_is_hidden() -> None:
    """Logs are cut into lines, so a key of many lines is hidden line by line."""
    secret = "-----BEGIN KEY-----\nabcdefgh\nx\n-----END KEY-----\n"
    assert mask("got abcdefgh and -----END KEY----- and x", [secret]) == f"got {MASK} and {MASK} and x"
