"""Templates of people's own: sandboxed, limited, escaped; a page is whole or not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clearway.cli import notes_template
from clearway.cli.exits import CliError
from clearway.cli.notes_template import by_template

NOTES = {"version": "1.4.0", "changes": [{"text": "<b>*gifts*</b>"}]}
GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "release-notes.md"


def test_the_guides_template_writes_the_notes() -> None:
    """As documented; and what a commit says stays text, in Markdown and in HTML."""
    found = re.search(r"```jinja\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    assert by_template(found[1], NOTES, html=False).split() == ["#", "1.4.0", "-", r"\<b\>\*gifts\*\</b\>"]
    said = by_template("{{ notes.changes[0].text }}", NOTES, html=True)
    assert said == "&lt;b&gt;*gifts*&lt;/b&gt;"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ notes.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ notes.ghost }}",
        "{% for a in range(99999999) %}{{ a }}{% endfor %}",
        "{{ 'x' * 2000000000 }}",
        "{{ 'x' * 5000000 }}",
        "{% if %}",
        "{{ notes.changes.append(1) }}",
        "x" * 200_000,
    ],
)
def test_a_template_can_do_nothing_else(template: str) -> None:
    """No way out of the sandbox, no other file, no flood: there is an error, and no text."""
    with pytest.raises(CliError):
        by_template(template, NOTES, html=False)


def test_a_template_that_runs_away_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops in loops write nothing and never end; the process is ended."""
    monkeypatch.setattr(notes_template, "WALL_S", 1.5)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(CliError, match="was ended"):
        by_template(loops, NOTES, html=False)
