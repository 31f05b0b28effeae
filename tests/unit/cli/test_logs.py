"""`clearway build --log`: whole, followed, searched, what failed; and colours on a terminal only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from house import House

from clearway import access, build
from clearway.build import Workshop, store
from clearway.cli import colours, exits

LOG = [*[f"compile 1 | line {number}" for number in range(1, 200_001)], "test | \x1b[31mError\x1b[0m: no"]


@pytest.fixture
def broken(house: House) -> str:
    """A build that failed, with a log longer than one answer."""
    with house.database.begin() as uow:
        made = build.request(uow, access.TokenActor("root", actions=access.ACTIONS), "shop", "main")
        store.change_open(uow, made.id, status="failed", error="step test failed")
        path: Path = uow.tool(Workshop).log_path(made.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line} {'x' * 40}\n" for line in LOG))
    return made.id


def test_a_log_is_read_in_every_way(by: Callable[..., Any], broken: str) -> None:
    """All of it in pieces, followed to its end, one text, one step, what failed; as JSON too."""
    whole = by("dana", "build", "--log", broken)
    assert (whole.code, whole.out.count("\n"), "\x1b" in whole.out) == (0, 200_001, False)
    assert whole.out.startswith("compile 1 | line 1 x")
    followed = by("dana", "build", "--log", broken, "--follow", "--step", "test")
    assert (followed.code, followed.out.partition(" x")[0]) == (exits.FAILED, "test | Error: no")
    hits = by("dana", "build", "--log", broken, "--search", "LINE 19999", "--json").json
    assert [each["number"] for each in hits] == [19_999, *range(199_990, 200_000)]
    assert by("dana", "build", "--log", broken, "--step", "test").out.startswith(" 200001  test | Error")
    assert by("dana", "build", "--log", broken, "--search", "nowhere").code == exits.FAILED
    failing = by("dana", "build", "--log", broken, "--failing", "--json").json
    assert [(each["number"], each["bad"]) for each in failing] == [(200_001, True)]
    assert by("dana", "build", "shop", "--follow").code == exits.USAGE
    assert by("dana", "build", "--log", broken, "--follow", "--json").code == exits.USAGE


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
        ("\x1b[8mhidden\x1b[30;40m", "hidden\x1b[0m"),
        ("\x1b[38;5;31mx", "x\x1b[0m"),
        ("\x1b[mx", "\x1b[0mx\x1b[0m"),
    ],
)
def test_a_terminal_gets_colours_and_nothing_that_hides(line: str, shown: str) -> None:
    """They end with their line; elsewhere there are none."""
    assert colours.painted(line, True) == shown
    assert "\x1b" not in colours.painted(line, False)


def test_no_color_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal too."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours.wanted(Terminal())  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours.wanted(Terminal())  # type: ignore[arg-type]
