"""Plain values of the command line mean what Typer would read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer

from clearway.cli.plain import NOT_PLAIN, PlainCommand, plain_value

app = typer.Typer(add_completion=False)


@app.command(cls=PlainCommand)
def _everything(
    words: Annotated[list[str], typer.Argument()],
    text: Annotated[str | None, typer.Option()] = None,
    number: Annotated[int, typer.Option(min=1, max=50)] = 20,
    share: Annotated[float, typer.Option()] = 0.5,
    wait: Annotated[bool, typer.Option()] = False,
    folder: Annotated[Path | None, typer.Option()] = None,
    there: Annotated[Path | None, typer.Option(exists=True)] = None,
    several: Annotated[list[int] | None, typer.Option()] = None,
    choice: Annotated[Literal["json", "text"], typer.Option()] = "text",
) -> None:
    """All kinds."""


COMMAND = typer.main.get_command(app)
PARAMETERS: dict[str, Any] = {each.name: each for each in COMMAND.params}
GIVEN: list[tuple[str, Any]] = [
    *(("text", each) for each in (None, "", "a b", "é", b"raw", 5)),
    *(
        ("number", each)
        for each in (None, 20, "7", "007", "-3", "0", "51", "9" * 30, "٣", "1.0", "", "x", True)
    ),
    *(("wait", each) for each in (True, False, "yes", "", "x")),
    *(("folder", each) for each in (None, "/tmp", "/nowhere/at/all", Path("x"), "")),
    *(("there", each) for each in (None, "/tmp", "/nowhere/at/all")),
    *(("share", each) for each in (None, 0.5, "0.25", "x")),
    *(("several", each) for each in (None, [], ["1", "2"], ["1", "x"], "12")),
    *(("words", each) for each in (None, (), ("a", "b"), ["a"], "ab")),
    *(("choice", each) for each in (None, "json", "xml")),
]


def read(reader: Any, given: Any, parameter: Any) -> Any:
    try:
        return reader.coerce(given, param=parameter, ctx=typer.Context(COMMAND))
    except typer.BadParameter as error:
        return f"no: {error}"


@pytest.mark.parametrize(("name", "given"), GIVEN)
def test_the_same_value_as_typer_reads(name: str, given: Any) -> None:
    """A value, and a refusal, is the one that Typer alone would give."""
    parameter = PARAMETERS[name]
    ours = next(each for each in COMMAND.get_params(typer.Context(COMMAND)) if each.name == name)
    theirs = type(parameter).get_runtime_param(parameter)
    expected, found = read(theirs, given, parameter), read(ours.get_runtime_param(), given, parameter)
    assert found == expected
    assert type(found) is type(expected)


def test_what_is_usual_is_plain() -> None:
    """Texts, numbers, switches, folders and lists of them go without Typer's reader."""
    usual = {
        "text": "a",
        "number": "7",
        "wait": True,
        "folder": "/nowhere",
        "words": ("a",),
        "several": ["1"],
    }
    assert not [name for name, given in usual.items() if plain_value(PARAMETERS[name], given) is NOT_PLAIN]
    odd = {"number": "x", "there": "/nowhere", "choice": "json", "share": "1"}
    assert all(plain_value(PARAMETERS[name], given) is NOT_PLAIN for name, given in odd.items())
