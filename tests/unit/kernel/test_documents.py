"""Documents that people write: each rule of the subset, and no way past it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from clearway.kernel import (
    Document,
    DocumentError,
    Duration,
    Invalid,
    Name,
    by_kind,
    load_document,
    load_documents,
    schema_of,
)
from clearway.kernel.yamltree import MAX_BYTES, MAX_DEPTH, MAX_NODES, YamlFlaw, parse


class Health(Document):
    path: str
    timeout: Duration = timedelta(seconds=10)


class Thing(Document):
    kind: Literal["Thing"] = "Thing"
    name: Name
    port: int = Field(default=80, ge=1)
    ratio: float = 1.0
    on: bool = True
    words: tuple[str, ...] = ()
    health: Health | None = None
    extra: dict[str, Health] = Field(default={})


class Other(Document):
    kind: Literal["Other"]
    text: str


class Anything(BaseModel):
    a: Any = None


KINDS: Mapping[str, type[BaseModel]] = {"Thing": Thing, "Other": Other}


def wrong(text: str | bytes, model: type[BaseModel] = Thing) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load_document(text, "thing.yaml", model)
    return caught.value


def test_a_good_document_becomes_its_model() -> None:
    """Every type a document can hold arrives as its model says."""
    text = "name: shop\nport: 8080\nratio: 2\non: false\nwords: [a, no, '3.10']\n"
    text += "health: {path: /, timeout: 1m30s}\n"
    loaded = load_document(text, "thing.yaml", Thing)
    assert (loaded.port, loaded.ratio, loaded.on) == (8080, 2.0, False)
    assert loaded.words == ("a", "no", "3.10")
    assert loaded.health == Health(path="/", timeout=timedelta(seconds=90))


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("name: shop\nprot: 1\n", "2:1", "unknown key `prot`; did you mean `port`?"),
        ("name: shop\nhealth: {pth: /}\n", "2:9", "`path` is missing in `health`"),
        ("name: shop\nhealth:\n  path: /\n  timout: 3s\n", "4:3", "did you mean `timeout`?"),
        ("name: shop\nextra: {A: {path: /, timout: 3s}}\n", "2:22", "did you mean `timeout`?"),
        ("port: 80\n", "1:1", "`name` is missing"),
        ("name: shop\nport: '80'\n", "2:7", '`port` is the text "80"; expected a whole number'),
        ("name: shop\nport: 0\n", "2:7", "greater than or equal to 1"),
        ("name: shop\nport: 1.5\n", "2:7", "a whole number"),
        ("name: shop\non: yes\n", "2:5", "true or false"),
        ("name: shop\nwords: [a, 3.10]\n", "2:12", 'with quotes it is: "3.10"'),
        ("name: shop\nwords: a\n", "2:8", "expected a list"),
        ("name: shop\nhealth: /\n", "2:9", "expected a mapping of keys"),
        ("name: Shop!\n", "1:7", "cannot be a name"),
        ("name: shop\nhealth: {path: /, timeout: 5 minutes}\n", "2:28", "a number and a unit"),
        ("name: shop\nhealth: {path: /, timeout: '" + "1" * 100_000 + "'}\n", "2:28", "a number and a unit"),
        ("name: shop\nkind: Thin\n", "2:7", "did you mean `Thing`?"),
        ("- a\n", "1:1", "expected a mapping of keys"),
        ("", "1:1", "the file is empty"),
        ("# only words\n", "1:1", "the file is empty"),
        ("name: a\n---\nname: b\n", "3:1", "a second document"),
        ("name: a\nport: 1\nname: b\n", "3:1", "the key `name` again (first in line 1)"),
        ("name: a\nwords: &w [x]\n", "2:8", "an anchor"),
        ("name: *w\n", "1:7", "an alias"),
        ("<<: {name: a}\n", "1:1", "a merge key"),
        ("name: !!python/object/apply:os.system [id]\n", "1:7", "a tag"),
        ("%TAG ! tag:x,2000:\n---\nname: a\n", "1:1", "%TAG"),
        ("? [a]\n: b\n", "1:3", "a key that is not text"),
        ("? {a: b}\n: b\n", "1:3", "a key that is not text"),
        ("'': b\n", "1:1", "a key without a name"),
        ("name: a\nhealth:\n\tpath: /\n", "3:1", "a tab"),
        ("name: a\nport: 1234567890123456789\n", "2:7", "at most 15 digits"),
        ("name: a\nratio: 1e999\n", "2:8", "a smaller one"),
        ("name: 'a\n", "2:1", "not YAML here"),
        ("name: a: b\n", "1:8", "not YAML here"),
        ("name: a\x00b\n", "1:8", "control character"),
        ("name: a\x1bb\n", "1:8", "control character"),
        ('name: a\nwords: ["\ud800"]\n', "2:10", "control character"),
        (b"name: \xff\n", "1:7", "not UTF-8"),
        (b"\xff\xfen\x00", "1:1", "not UTF-8"),
        ("x" * (MAX_BYTES + 1), "1:1", "at most"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str | bytes, place: str, said: str) -> None:
    """One error names file, line and column, and what was expected."""
    error = wrong(text)
    assert str(error).startswith(f"thing.yaml:{place}: ")
    assert said in str(error)
    assert error.status == 422


def test_several_problems_are_one_error_first_line_first() -> None:
    """A person sees everything that is wrong at once, in the order of the file."""
    error = wrong("port: x\nname: 3\nhealth: {timeout: 9}\nwhat: 1\n")
    assert [problem.mark.line for problem in error.problems] == [1, 2, 3, 3, 4]
    assert error.where == "thing.yaml:1:7"
    assert len(str(error).splitlines()) == 5
    assert error.detail["problems"][4]["message"].startswith("unknown key `what`")


def test_many_problems_are_cut_short() -> None:
    """A thousand mistakes make a readable error, not a thousand lines."""
    error = wrong("name: a\nwords: [" + ", ".join(["1"] * 1000) + "]\n")
    assert len(str(error).splitlines()) == 21
    assert str(error).endswith("and 980 more")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "{a: " * 200_000,
        "- " * 500_000,
        "? " * 300_000,
        "a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        "[" + "a, " * (MAX_NODES + 1) + "]",
        "---\n" * 200_000,
        "a: " + "9" * 1_000_000,
        "a: |\n" + "  x\n" * 200_000 + "\x01",
    ],
    ids=["lists", "maps", "dashes", "questions", "bomb", "nodes", "documents", "digits", "block"],
)
def test_hostile_files_end_early_in_one_error(text: str) -> None:
    """Bombs, deep nesting and floods of values are refused before anything is built from them."""
    with pytest.raises(DocumentError) as caught:
        load_documents(text, "x.yaml", lambda raw: Anything)
    assert len(caught.value.problems) == 1


def test_the_depth_limit_is_where_it_says() -> None:
    """MAX_DEPTH levels pass and one more does not."""
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(YamlFlaw, match="nested too deep"):
        parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-01-05", "2026-01-05"),
        ("0644", "0644"),
        ("007", "007"),
        ("00.5", "00.5"),
        ("0x1F", 31),
        ("0o17", 15),
        ("-12", -12),
        ("1e3", 1000.0),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("1_000", "1_000"),
        ("=", "="),
        ('"1"', "1"),
        ("'<<'", "<<"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    """No country is false, no time of day is a number, and leading zeros stay."""
    assert parse(f"a: {text}\n")[0].value == {"a": value}


def test_several_documents_keep_their_lines() -> None:
    """Each document is given with the line it starts in; empty ones are skipped."""
    text = "kind: Thing\nname: a\n---\n---\n# words\nkind: Other\ntext: b\n"
    loaded = load_documents(text, "all.yaml", by_kind(KINDS))
    assert [(type(document).__name__, line) for document, line in loaded] == [("Thing", 1), ("Other", 6)]


def test_a_document_knows_where_it_was_written() -> None:
    """What is wrong between documents can still be said with file and line; equality does not look at it."""
    text = "kind: Other\ntext: a\n---\nkind: Other\ntext: a\n"
    (first, _), (second, _) = load_documents(text, "all.yaml", by_kind(KINDS))
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.origin, second.origin) == ("all.yaml:1", "all.yaml:4")
    assert first == second == Other(kind="Other", text="a")
    assert Other(kind="Other", text="a").origin == ""


def test_an_unknown_kind_is_named_and_does_not_hide_the_rest() -> None:
    """Problems of all documents are gathered in one error."""
    text = "kind: Thong\nname: a\n---\nname: b\n---\nkind: Other\ntext: 3\n---\njust text\n"
    with pytest.raises(DocumentError) as caught:
        load_documents(text, "all.yaml", by_kind(KINDS))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("all.yaml:1:7: unknown kind `Thong`; did you mean `Thing`?")
    assert [problem.mark.line for problem in caught.value.problems] == [1, 4, 7, 9]


def test_variables_fill_values_and_never_structure() -> None:
    """A variable is replaced after parsing, has a default if it says so, and `$$` is a dollar."""
    text = "kind: Other\ntext: ${A}/${B:-x}/$$5/$PATH\n"
    ((document, _),) = load_documents(text, "f", by_kind(KINDS), {"A": "1\nkind: Thing"})
    assert document == Other(kind="Other", text="1\nkind: Thing/x/$5/$PATH")


def test_a_missing_variable_is_named() -> None:
    """A variable that nobody gave and that has no default is an error with its line."""
    with pytest.raises(DocumentError, match=r"f:2:7: `text`: the variable HOST is not set.*--set HOST=VALUE"):
        load_documents("kind: Other\ntext: ${HOST}\n", "f", by_kind(KINDS), {})


@pytest.mark.parametrize("text", ["${A:-" * 150_000, "${A" * 250_000, "${A}" * 200_000])
def test_variables_cannot_make_reading_slow_or_large(text: str) -> None:
    """Half-open variables end quickly, and a file cannot grow without bounds by what is put into it."""
    source = f"kind: Other\ntext: '{text}'\n"
    try:
        ((document, _),) = load_documents(source, "f", by_kind(KINDS), {"A": "x" * 1000})
    except DocumentError as error:
        assert "200000000 characters from variables" in str(error)  # noqa: PT017
    else:
        assert document == Other(kind="Other", text=text)


def test_without_variables_dollars_are_left_alone() -> None:
    """Substitution is asked for, not found by accident."""
    ((document, _),) = load_documents("kind: Other\ntext: ${HOST}\n", "f", by_kind(KINDS))
    assert document == Other(kind="Other", text="${HOST}")


def test_the_schema_speaks_as_the_file_does() -> None:
    """Defaults of the JSON Schema are in the words of the document, and unknown keys are refused."""
    schema = schema_of(Health)
    assert schema["properties"]["timeout"]["default"] == "10s"
    assert schema["additionalProperties"] is False


@given(st.text(max_size=300))
@example("\ufeffa: b")
@example("a: \x85b")
@example("\u2028: a")
@example("a: '\\ud800'")
@example('"\\ud800": 1')
@example("%YAML 9.9\n---\na")
@example("a:\r\n  b: 1\r")
@example("--- |\n a\n... x")
def test_any_text_is_a_document_or_one_clear_error(text: str) -> None:
    """Nothing but DocumentError comes out, and its place lies in the file."""
    try:
        loaded = load_documents(text, "f.yaml", lambda raw: Anything)
    except DocumentError as error:
        assert 1 <= error.problems[0].mark.line <= len(text.splitlines()) + 1  # noqa: PT017
    else:
        assert all(isinstance(document, Anything) for document, _ in loaded)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_one_clear_error(data: bytes) -> None:
    """A binary file by mistake is an Invalid, never a crash."""
    try:
        loaded = load_documents(data, "f.yaml", lambda raw: Anything)
    except Invalid as error:
        loaded = []
        assert str(error).startswith("f.yaml:")  # noqa: PT017
    assert all(isinstance(document, Anything) for document, _ in loaded)


_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.floats(-1e9, 1e9)
    | st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@given(_PLAIN)
def test_what_json_says_is_read_as_json_says(value: object) -> None:
    """Every JSON value is YAML, and comes back the same, with a place for each part."""
    (tree,) = parse(json.dumps({"a": value}, ensure_ascii=False))
    assert tree.value == {"a": value}
    assert all(mark.line == 1 for mark in tree.values.values())
