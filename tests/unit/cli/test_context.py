"""What a command shows while it works."""

from __future__ import annotations

import io

from rich.console import Console

from clearway.cli.context import Context


def test_a_server_s_words_are_no_markup_on_a_terminal() -> None:
    """Square brackets of a reason neither end the command nor vanish."""
    context = Context()
    out = io.StringIO()
    context.progress = Console(file=out, force_terminal=True, width=100, color_system=None)
    with context.working("starts [/]") as tell:
        tell("cannot read [/etc/app.conf] [error]")
    assert "cannot read [/etc/app.conf] [error]" in out.getvalue()
