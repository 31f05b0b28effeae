"""What every command has: the server, the way of showing things, and the options that all share."""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import profile
from .exits import INTERRUPTED, CliError
from .plain import PlainCommand, PlainGroup

if TYPE_CHECKING:
    from rich.console import Console

    from .client import Server

FOLD_AT = 12
_JSON = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
_URL = Annotated[str | None, typer.Option("--url", help="The server's address.", metavar="URL")]
_TOKEN = Annotated[
    str | None,
    typer.Option(
        "--token", help="An API token; others can see it here: CLEARWAY_TOKEN is safer.", metavar="TOKEN"
    ),
]
_HOME = Annotated[Path | None, typer.Option("--home", help="Clearway's folder. [~/.clearway]", metavar="DIR")]


class Context:
    """One command's run."""

    def __init__(
        self,
        as_json: bool = False,
        url: str | None = None,
        token: str | None = None,
        home: Path | None = None,
    ) -> None:
        self.as_json = as_json
        self.home = profile.home_folder(home)
        self._given = (url, token, home)

    @functools.cached_property
    def profile(self) -> profile.Profile:
        """The address and token to use. Raises CliError."""
        return profile.find(*self._given)

    @property
    def address(self) -> str:
        """The server's address, for a command that proves itself without a token of ours. Raises CliError."""
        url, token, home = self._given
        if token:
            raise CliError("this command takes no API token", expected="no --token")
        return profile.find_address(url, home)

    @functools.cached_property
    def server(self) -> Server:
        """The server."""
        from .client import Server

        return Server(self.profile.url, self.profile.token)

    @functools.cached_property
    def console(self) -> Console:
        """Standard output, for people."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=True)

    @functools.cached_property
    def progress(self) -> Console:
        """Standard error: what happens meanwhile."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if "server" in self.__dict__:
            self.server.close()

    def show(self, value: Any, people: Callable[[], None]) -> None:
        """Print the value as JSON when that was asked for, else what `people` prints."""
        if self.as_json:
            print(json.dumps(value, indent=2, ensure_ascii=False))
        else:
            people()

    def say(self, text: str) -> None:
        """A line on standard output, as it is."""
        print(text)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "nothing") -> None:
        """A table; on a terminal with lines and colours, in a pipe as plain columns."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        cells = [["–" if cell is None or cell == "" else str(cell) for cell in row] for row in rows]
        if not cells:
            self.say(empty)
            return
        if self.console.is_terminal and _least_width(headings, cells) > self.console.width:
            self._records(headings, cells)
            return
        made = Table(
            box=box.SIMPLE_HEAD if self.console.is_terminal else None, pad_edge=False, padding=(0, 2, 0, 0)
        )
        for heading in headings:
            made.add_column(heading, overflow="fold", no_wrap=heading in ("id", "digest"))
        for row in cells:
            made.add_row(*(escape(cell) for cell in row))
        if not self.console.is_terminal:
            self.console.width = 10_000  # a pipe has no edge to fold at
        self.console.print(made)

    def _records(self, headings: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        """What a narrow terminal shows instead of a table of columns two letters wide."""
        widest = max(len(heading) for heading in headings)
        for number, row in enumerate(cells):
            if number:
                self.say("")
            for heading, cell in zip(headings, row, strict=True):
                self.say(f"{heading:<{widest}}  {cell}".strip())

    @contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Progress on something long: a spinner on a terminal, one line for each change elsewhere."""
        if self.progress.is_terminal:
            from rich.markup import escape

            with self.progress.status(escape(text)) as status:
                # A server's words are no markup: `[/etc/app.conf]` would be read as a closing tag.
                yield lambda news: status.update(escape(news))
            return
        last = [""]

        def tell(news: str) -> None:
            if news != last[0]:
                last[0] = news
                print(news, file=sys.stderr, flush=True)

        tell(text)
        yield tell


def _least_width(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """The width below which a table cannot be read: ids whole, everything else at least twelve letters."""
    widths = []
    for column, heading in enumerate(headings):
        natural = max(len(heading), *(len(row[column]) for row in cells))
        widths.append(natural if heading in ("id", "digest") else min(natural, FOLD_AT))
    return sum(widths) + 2 * len(widths)


_SHARED: dict[str, Any] = {"as_json": _JSON, "url": _URL, "token": _TOKEN, "home": _HOME}


def command(
    app: typer.Typer, name: str, example: str, *, server: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers `function(context, ...)` with the shared options; `example` ends its help."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = [
            each
            for key, each in inspect.signature(function, eval_str=True).parameters.items()
            if key != "context"
        ]
        names = _SHARED if server else {key: _SHARED[key] for key in ("as_json", "home")}
        shared = [
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if key == "as_json" else None,
                annotation=annotation,
            )
            for key, annotation in names.items()
        ]
        own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]

        def run(**given: Any) -> Any:
            context = Context(**{key: given.pop(key) for key in names})
            try:
                return function(context, **given)
            except KeyboardInterrupt:  # or the parser ends the program without a word
                raise CliError("interrupted", INTERRUPTED) from None
            except BrokenPipeError:
                from .run import hang_up

                return hang_up()
            finally:
                context.close()

        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in [*own, *shared]}
        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        app.command(name, cls=PlainCommand, epilog=f"Example: {example}")(run)
        return function

    return register


def group(app: typer.Typer, name: str, about: str, example: str) -> typer.Typer:
    """A command with commands of its own; `example` ends its help."""
    made = typer.Typer(
        cls=PlainGroup,
        rich_markup_mode=None,
        no_args_is_help=True,
        help=about,
        epilog=f"Example: {example}",
        add_completion=False,
    )
    app.add_typer(made, name=name)
    return made
