"""Conventional Commits 1.0, rule by rule of the specification."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.changes import Footer, parse, squashed

WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=10)
TYPE = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,9}", fullmatch=True)
SCOPE = st.from_regex(r"[a-z][a-z0-9/_ -]{0,8}[a-z0-9]", fullmatch=True)
LINE = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
TOKEN = st.from_regex(r"[A-Z][a-z]{1,7}(-[a-z]{1,7})?", fullmatch=True) | st.sampled_from(
    ["BREAKING CHANGE", "BREAKING-CHANGE"]
)
VALUE = st.lists(LINE, min_size=1, max_size=3).map("\n".join)


@given(
    kind=TYPE,
    scope=st.none() | SCOPE,
    bang=st.booleans(),
    description=LINE,
    body=st.lists(LINE, max_size=3),
    footers=st.lists(st.tuples(TOKEN, st.sampled_from([": ", " #"]), VALUE), max_size=4),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_by_the_specification_is_read_back(
    kind, scope, bang, description, body, footers, newline
) -> None:
    """Type, scope, `!`, description, body and footers come back as written; the type in small letters."""
    footers = [(token, ": " if token.startswith("BREAKING") else sep, value) for token, sep, value in footers]
    header = f"{kind}{f'({scope})' if scope else ''}{'!' if bang else ''}: {description}"
    blocks = [header, *body]
    if footers:
        blocks.append("\n".join(f"{token}{sep}{value}" for token, sep, value in footers))
    read = parse("\n\n".join(blocks).replace("\n", newline))
    assert read is not None
    assert (read.type, read.scope, read.description) == (kind.lower(), scope, description)
    assert read.body == "\n\n".join(body)
    expected = [Footer(token, value if sep == ": " else f"#{value}") for token, sep, value in footers]
    assert list(read.footers) == expected
    assert read.breaking == (bang or any(token.startswith("BREAKING") for token, _, _ in footers))


@given(st.text(max_size=300))
def test_no_text_makes_the_parser_fail(message: str) -> None:
    """Whatever a commit says, it is read or it is None; nothing is raised."""
    read = parse(message)
    assert read is None or (read.type and read.description)
    squashed(message)


@pytest.mark.parametrize(
    "message",
    [
        "feat:no space",
        "feat : space before the colon",
        "feat(): empty scope",
        "feat(a)(b): two scopes",
        "feat!!: two",
        "feat: ",
        "just a sentence",
        "Merge branch 'x'",
        ": no type",
        "",
    ],
)
def test_what_lacks_a_part_is_not_conventional(message: str) -> None:
    """The type, the colon, the space and the description are required."""
    assert parse(message) is None


@pytest.mark.parametrize("header", ["feat!: x", "feat(api)!: x", "FEAT!: x"])
def test_a_bang_breaks_with_or_without_scope(header: str) -> None:
    """`!` before the colon is enough, and the description says what breaks."""
    read = parse(header)
    assert read is not None
    assert read.breaking
    assert read.breaking_notes == ("x",)


def test_breaking_change_is_written_in_capitals() -> None:
    """`breaking change:` in small letters is ordinary text; its synonym with a dash counts."""
    small = parse("fix: a\n\nbreaking change: no")
    dashed = parse("fix: a\n\nBREAKING-CHANGE: yes")
    assert small is not None
    assert dashed is not None
    assert (small.breaking, dashed.breaking) == (False, True)


def test_a_breaking_change_is_never_missed_inside_the_body() -> None:
    """Without the blank line that the specification wants, it still counts."""
    read = parse("fix: a\n\nsome text\nBREAKING CHANGE: the key is gone\nfor ever")
    assert read is not None
    assert read.breaking_notes == ("the key is gone\nfor ever",)
    assert read.body == "some text"


def test_a_footer_runs_until_the_next_one() -> None:
    """A footer's value may have blank lines in it; `token #value` starts the next."""
    read = parse("fix: a\n\nbody\n\nReviewed-by: Z\nmore\n\neven more\nRefs #123")
    assert read is not None
    assert read.footers == (Footer("Reviewed-by", "Z\nmore\n\neven more"), Footer("Refs", "#123"))


def test_a_squashed_merge_lists_its_changes() -> None:
    """Bullets that are headers are changes; others are text."""
    found = squashed("* feat(cart): add gifts\n\ntext\n\n- fix!: stop\n* not one\n-fix: nor this")
    assert [(each.type, each.scope, each.description, each.breaking) for each in found] == [
        ("feat", "cart", "add gifts", False),
        ("fix", None, "stop", True),
    ]


NODE = "use JavaScript features not available in Node 6."
SHIPPED = "send an email to the customer when a product is shipped"
RACING = """fix: prevent racing of requests

Introduce a request id and a reference to latest request. Dismiss
incoming responses other than from latest request.

Remove timeouts which were used to mitigate the racing issue but are
obsolete now.

Reviewed-by: Z
Refs: #123"""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "feat: allow provided config object to extend other configs\n\n"
            "BREAKING CHANGE: `extends` key in config file is now used for extending other config files",
            ("feat", None, ("`extends` key in config file is now used for extending other config files",)),
        ),
        (f"feat!: {SHIPPED}", ("feat", None, (SHIPPED,))),
        (f"feat(api)!: {SHIPPED}", ("feat", "api", (SHIPPED,))),
        (f"chore!: drop support for Node 6\n\nBREAKING CHANGE: {NODE}", ("chore", None, (NODE,))),
        ("docs: correct spelling of CHANGELOG", ("docs", None, ())),
        ("feat(lang): add Polish language", ("feat", "lang", ())),
        (RACING, ("fix", None, ())),
        (
            "revert: let us never again speak of the noodle incident\n\nRefs: 676104e, a215868",
            ("revert", None, ()),
        ),
    ],
)
def test_the_specifications_own_examples(message: str, told: object) -> None:
    """conventionalcommits.org, version 1.0.0: each example is read as it says."""
    read = parse(message)
    assert read is not None
    assert (read.type, read.scope, read.breaking_notes) == told


def test_the_example_with_a_body_of_several_paragraphs() -> None:
    """Two paragraphs are the body, and both footers are footers."""
    read = parse(RACING)
    assert read is not None
    assert read.body.count("\n\n") == 1
    assert read.footers == (Footer("Reviewed-by", "Z"), Footer("Refs", "#123"))
    reverted = parse("revert: noodles\n\nRefs: 676104e, a215868")
    assert reverted is not None
    assert reverted.footers == (Footer("Refs", "676104e, a215868"),)
