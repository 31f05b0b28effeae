"""Notes as pages: what each audience reads, and that nobody's text bends them."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from told import Commit, notes, sha

from clearway.catalog import Tickets
from clearway.changes import AUDIENCES, FORMATS, Known, affected, render
from clearway.kernel import Invalid

JIRA = Tickets(prefix="SHOP-", url="https://jira.example/browse/{ticket}")


def told():
    return notes(
        Commit(sha(1), "feat(cart): gifts", "Reviewed-by: qa-lead\nSHOP-1"),
        Commit(sha(2), "fix!: prices"),
        Commit(sha(3), "chore: tidy up"),
        known=Known(
            gone=[Commit(sha(4), "fix: urgent")],
            tickets=[JIRA],
            configuration=("GREETING is new: a string that must be set",),
            migrations=("0002 prices",),
        ),
    )


def test_engineers_read_everything() -> None:
    """Commits, authors, reviewers, tickets, what is inside, what goes away, configuration, migrations."""
    page = render(told())
    for word in ("tidy up", "Ada", sha(1)[:10], "reviewed by qa-lead", "[SHOP-1](https://jira",
                 "## Goes away", "urgent", "GREETING is new", "0002 prices", "## Authors"):  # fmt: skip
        assert word in page


def test_stakeholders_read_what_people_notice_and_its_tickets() -> None:
    """No commits, no authors, nothing of the inside; what breaks and what goes away is there."""
    page = render(told(), audience="stakeholders")
    for word in ("gifts", "## Breaking changes", "SHOP-1", "## Goes away", "GREETING is new"):
        assert word in page
    for word in ("tidy up", "Ada", sha(1)[:10], "qa-lead"):
        assert word not in page


def test_customers_read_no_names_and_nothing_of_the_inside() -> None:
    """Features, fixes and what breaks, in words only."""
    page = render(told(), audience="customers")
    assert "gifts" in page
    for word in ("SHOP-1", "cart", "Ada", "urgent", "GREETING", "tidy"):
        assert word not in page
    assert "Nothing that you would notice." in render(notes(Commit(sha(1), "chore: x")), audience="customers")


def test_unknown_words_are_refused() -> None:
    """A format or audience that there is not is an error that names those there are."""
    for wrong in ({"form": "pdf"}, {"audience": "everybody"}):
        with pytest.raises(Invalid, match=r"expected (markdown|engineers)"):
            render(told(), **wrong)


HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "](javascript:alert(1))",
        '"><img src=x onerror=1>',
        "</ul><h1>",
        "&lt;b&gt;",
        "# x",
    ]
)


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=4), st.sampled_from(AUDIENCES))
def test_no_commit_bends_the_html(texts, audience) -> None:
    """Every tag and every address in it is ours, and every line of Markdown begins as ours do."""
    commits = [
        Commit(sha(n), f"feat: {subject}", body, author) for n, (subject, body, author) in enumerate(texts)
    ]
    made = notes(*commits, known=Known(tickets=[JIRA], gone=commits[:1]))
    page = render(made, "html", audience)
    tags = re.findall(r"<[^>]*>", page)
    ours = {
        "<article>",
        "</article>",
        "<h1>",
        "</h1>",
        "<h2>",
        "</h2>",
        "<p>",
        "</p>",
        "<ul>",
        "</ul>",
        "<li>",
        "</li>",
    }
    ours |= {"<strong>", "</strong>", "</a>"}
    for tag in set(tags) - ours:
        assert re.fullmatch(r'<a href="https://jira\.example/browse/SHOP-\d+">', tag), tag
    assert "<" not in re.sub(r"<[^>]*>", "", page)
    for line in render(made, "markdown", audience).splitlines():
        assert line == "" or line.startswith(("# shop", "## ", "- ", "Commit ", "Nothing "))
    assert html.unescape(page)


def test_the_same_notes_give_the_same_bytes() -> None:
    """In every form, for every audience."""
    for form in FORMATS:
        for audience in AUDIENCES:
            assert render(told(), form, audience) == render(told(), form, audience)


def test_configuration_and_migrations_in_words() -> None:
    """What came, went and changed between two definitions; nothing where nothing ran before."""
    before = {
        "config": {"A": {"type": "string", "required": True}, "B": {"type": "integer", "default": 3}},
        "migrations": [{"name": "0001"}],
    }
    after = {
        "config": {
            "B": {"type": "integer", "default": 4, "description": "x"},
            "C": {"type": "url", "required": True},
            "D": {"type": "string", "secret": True, "default": None, "required": False},
            "E": {"type": "boolean", "default": False},
        },
        "migrations": [{"name": "0001"}, {"name": "0002"}],
    }
    assert affected.configuration(before, after) == (
        "C is new: a url that must be set",
        "D is new: a secret that may be set",
        "E is new: a boolean, no unless set",
        "A is not read any more",
        "B changed: default 3 to 4",
    )
    assert affected.migrations(before, after) == ("0002",)
    assert affected.configuration(None, after) == ()
    assert affected.migrations(None, {}) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefix": ""},
        {"prefix": "1"},
        {"prefix": "a\n"},
        {"prefix": "SHOP-", "url": "javascript:{ticket}"},
        {"prefix": "SHOP-", "url": "https://jira.example/"},
        {"prefix": "SHOP-", "url": "https://jira.example/{ticket}{evil}"},
        {"prefix": "SHOP-", "url": 'https://jira.example/"{ticket}'},
        {"prefix": "SHOP-", "url": "https://me:secret@jira.example/{ticket}"},
    ],
)
def test_what_is_no_kind_of_ticket(wrong) -> None:
    """A prefix begins with a letter or a sign; an address has a place for the ticket, and no password."""
    with pytest.raises(ValueError, match=r"prefix|ticket|url"):
        Tickets(**wrong)
