"""Words, static files, and what stands in the vendored folder."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from clearway.releases.model import State
from clearway.web import words
from clearway.web.assets import FOLDER, read_assets


def test_vendored_files_are_the_published_ones() -> None:
    """Every file of others is named with its digest, and is those bytes."""
    text = (FOLDER / "vendor" / "VENDORED.md").read_text()
    rows = dict(re.findall(r"^\| (\S+/\S+) \|.*\| ([0-9a-f]{64}) \|$", text, re.MULTILINE))
    there = {
        path.relative_to(FOLDER / "vendor").as_posix()
        for path in (FOLDER / "vendor").rglob("*")
        if path.is_file() and path.name != "VENDORED.md"
    }
    assert set(rows) == there
    for name, digest in rows.items():
        assert sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == digest, name
    for folder in {name.split("/")[0] for name in there}:
        assert f"{folder}/LICENSE" in there


def test_static_files_are_kept_by_browsers_only_under_their_own_mark(look) -> None:
    """A new version of a file has a new address; an old address is never cached with new content."""
    assets = read_assets()
    mark = assets["clearway.css"].mark
    nobody = look(None)
    answer = nobody.get(f"/static/{mark}/clearway.css")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert nobody.get("/static/0000/clearway.css").headers["cache-control"] == "no-cache"
    assert nobody.get(f"/static/{mark}/vendor/VENDORED.md").status_code == 404
    assert nobody.get(f"/static/{mark}/../app.py").status_code == 404


def test_our_scripts_need_nothing_that_the_policy_forbids() -> None:
    """No eval, no inline handlers, no markup made from data."""
    for path in FOLDER.glob("*.js"):
        text = path.read_text()
        assert not re.search(r"\beval\(|new Function|document\.write|\.on[a-z]+ ?= ", text), path.name
        for assigned in re.findall(r"innerHTML ?= ?(.)", text):
            assert assigned == "'", f"{path.name}: markup from something else than a constant"


def test_every_state_of_a_promotion_has_words() -> None:
    """No page shows a state's internal name without a sentence."""
    states = {state for union in State.__args__ for state in getattr(union, "__args__", (union,))}
    assert len(states) == 12
    for state in states:
        assert words.label(state) != "unknown"
        promotion = type("P", (), {"kind": "rollout", "service": "s", "version": "1", "environment": "e"})()
        promotion.state = state
        assert words.headline(promotion).startswith("s 1 to e ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250 ms"),
        (1, "1 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (None, "unknown"),
    ],
)
def test_spans_are_said_in_two_units_at_most(seconds: float | None, text: str) -> None:
    """People compare spans; they do not compute them."""
    assert words.span(seconds) == text


def test_numbers_are_short_and_say_when_there_is_none() -> None:
    """A missing number is a dash, never a zero."""
    assert words.number(None) == "–"
    assert words.number(12345) == "12 345"
    assert words.p_value(1e-9) == "under 0.0001"
    assert words.p_value(0.0310) == "0.031"
    assert words.side({"events": 3, "trials": 0}) == "3 of 0"
    assert words.side({"events": 8, "trials": 100}) == "8 of 100 (8.0 %)"
    assert words.size(1536) == "1.5 kB"


def _luminance(colour: str) -> float:
    full = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(full[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_keeps_its_contrast_in_both_themes() -> None:
    """WCAG AA: 4.5 to 1 for every pair of text and ground that pages use."""
    css = (FOLDER / "clearway.css").read_text()
    blocks = re.findall(r"\{([^{}]*--ground:[^{}]*)\}", css)
    assert len(blocks) == 3
    pairs = [(text, ground) for text in ("text", "soft", "accent") for ground in ("ground", "sheet", "sunk")]
    pairs += [(tone, f"{tone}-ground") for tone in ("good", "bad", "wait", "busy", "quiet")]
    pairs += [("text", f"{tone}-ground") for tone in ("good", "bad", "wait", "busy", "quiet")]
    pairs += [("on-accent", "accent"), ("bad", "sheet"), ("wait", "sheet")]
    for block in blocks:
        tokens = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
        for text, ground in pairs:
            light, dark = sorted((_luminance(tokens[text]), _luminance(tokens[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"
    assert re.sub(r"\s", "", blocks[1]) == re.sub(r"\s", "", blocks[2])  # the toggle's dark is the system's


def test_every_command_on_a_page_is_a_command() -> None:
    """An empty page that names a command which does not exist is worse than none."""
    from typer.main import get_command

    from clearway.cli.app import app

    known = get_command(app).commands
    text = "\n".join(path.read_text() for path in (FOLDER.parent / "templates").rglob("*.html"))
    named = re.findall(r"\bclearway ([a-z]+)(?: ([a-z]+\b))?", text)
    assert len(named) > 8
    for command, inner in named:
        assert command in known, command
        if hasattr(known[command], "commands"):
            assert inner in known[command].commands, f"{command} {inner}"
    for options in re.findall(r"clearway promote [^\n]*?(--\w+)", text):
        assert options == "--to"
