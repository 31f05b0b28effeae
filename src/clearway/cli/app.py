"""The command `clearway`. Nothing heavy is imported here: `--help` answers at once."""

from __future__ import annotations

import typer

from .commands import (
    ask,
    attest,
    audit,
    build,
    deliver,
    lint,
    people,
    platform,
    registries,
    reproduce,
    serve,
    source,
)
from .exits import MEANINGS
from .plain import PlainGroup

_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="clearway",
    cls=PlainGroup,
    help="Clearway: from a git commit to production, and back.",
    epilog=_EPILOG,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True)) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"clearway {installed('clearway')}")
        raise typer.Exit(0)


for _module in (
    serve,
    platform,
    lint,
    source,
    build,
    reproduce,
    registries,
    deliver,
    attest,
    ask,
    audit,
    people,
):
    _module.add(app)
