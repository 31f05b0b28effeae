"""A build's log on its page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from showcase import Showcase

from clearway import build
from clearway.web import colours


def events(text: str) -> list[Any]:
    return [json.loads(data) for data in re.findall(r"event: lines\ndata: (.*)\n", text)]


@pytest.fixture
def long_log(filled: Showcase) -> str:
    """Of a build that has ended, longer than a page shows."""
    identity = "bld_0_broken"
    path = filled.database.tool(build.Workshop).log_path(identity)
    before = path.read_text()
    with path.open("a") as stream:
        stream.writelines(f"compile 1 | line {number} {'y' * 60}\n" for number in range(20_000))
    yield identity
    path.write_text(before)


def test_a_page_gets_the_end_or_what_is_around_a_line(look, long_log: str) -> None:
    """With the numbers of the lines, and the way on."""
    rita = look("rita")
    tail = events(rita.get(f"/builds/{long_log}/log").text)
    assert tail[0]["first"] > 15_000
    assert tail[-1]["lines"][-1].startswith("compile 1 | line 19999 ")
    around = rita.get(f"/builds/{long_log}/log?line=9000").text
    found = {piece["first"] + at: line for piece in events(around) for at, line in enumerate(piece["lines"])}
    assert found[9000].startswith("compile 1 | line 8994 ")
    assert len(found) < 10_000
    assert json.loads(re.search(r"event: end\ndata: (.*)\n", around)[1])["more"] == max(found) + 1
    far = events(rita.get(f"/builds/{long_log}/log?line=99999999").text)
    assert far[-1]["lines"][-1].startswith("compile 1 | line 19999 ")


def test_a_search_and_a_file(look, long_log: str) -> None:
    """A hit leads to its line; the part of a page is only the hits; the file is text."""
    rita = look("rita")
    text = rita.get(f"/builds/{long_log}/search?text=LINE+7777").text
    assert f'href="/builds/{long_log}?line=7783#L7783"' in text
    part = rita.get(f"/builds/{long_log}/search?text=alert", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "<script>" not in part
    assert "No line of the log has it" in rita.get(f"/builds/{long_log}/search?text=nowhere").text
    assert "The next ones" in rita.get(f"/builds/{long_log}/search?step=compile").text
    file = rita.get(f"/builds/{long_log}/log.txt")
    assert file.headers["content-type"].startswith("text/plain")
    assert "attachment" in file.headers["content-disposition"]
    assert file.text.count("\n") == 20_005


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("plain", [((), "plain")]),
        ("\x1b[1;31mred\x1b[0m x", [(("bold", "c1"), "red"), ((), " x")]),
        ("\x1b[38;5;196mx\x1b[39my", [(("c1",), "x"), ((), "y")]),
        ("\x1b[38;2;10;200;10mx", [(("c2",), "x")]),
        ("\x1b[48;5;1;4mx", [(("underlined",), "x")]),
        ("\x1b[94mx\x1b[mx", [(("c12",), "x"), ((), "x")]),
        ("\x1b[38mx\x1b[38;5mx\x1b[38;2;1mx", [((), "x"), ((), "x"), ((), "x")]),
    ],
)
def test_colours_become_looks(line: str, found: object) -> None:
    """Long palettes become the nearest of the short one; the ground stays as it is."""
    assert [(looks, text) for looks, text in colours.spans(line)] == found


@given(
    st.lists(st.sampled_from(["\x1b[", "m", ";", "38", "5", "2", "999", "<b>", "0"]), max_size=30).map(
        "".join
    )
)
def test_no_line_breaks_the_page(line: str) -> None:
    """Whatever stands in a colour, its looks are names of ours, and the text is all there."""
    found = colours.spans(line)
    assert all(re.fullmatch(r"c\d+|bold|italic|underlined", name) for looks, _ in found for name in looks)
    assert "".join(text for _, text in found) == re.sub(r"\x1b\[[0-9;]{0,40}m", "", line)
