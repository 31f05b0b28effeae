"""Words of the command line become values without the parser's own machinery.

Typer reads every value, even one that was not given, with a library whose import costs more than most
commands do. Plain values need none of it: a text is a text. Whatever is not plain, or is wrong, is left
to Typer, which then says what is wrong. A Typer with another inside reads all by itself again, only slower.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    import typer

NOT_PLAIN: Any = object()


class _Parameter(Protocol):
    type_descriptor: Any
    multiple: bool
    nargs: int


class PlainCommand(TyperCommand):
    """A command that reads plain values by itself."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Its parameters."""
        return [_read_plainly(each) for each in super().get_params(ctx)]


class PlainGroup(TyperGroup):
    """A group of commands that reads plain values by itself."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """Its parameters."""
        return [_read_plainly(each) for each in super().get_params(ctx)]


def _read_plainly(parameter: Any) -> Any:
    find = getattr(parameter, "get_runtime_param", None)
    if find is not None and not isinstance(find, _Reader):
        parameter.get_runtime_param = _Reader(parameter, find)
    return parameter


class _Reader:
    """Stands where Typer looks for the reader of a parameter, and is it."""

    def __init__(self, parameter: _Parameter, find: Any) -> None:
        self._parameter = parameter
        self._find = find

    def __call__(self) -> _Reader:
        return self

    def coerce(self, value: Any, **more: Any) -> Any:
        """The value of a word."""
        plain = plain_value(self._parameter, value)
        return self._find().coerce(value, **more) if plain is NOT_PLAIN else plain


def plain_value(parameter: _Parameter, given: Any) -> Any:
    """The value, or NOT_PLAIN."""
    several = parameter.multiple or parameter.nargs == -1
    if given is None:
        return () if several else None
    asked = parameter.type_descriptor
    if not several:
        return _one(asked.annotation, asked.parameter_info, given)
    if not asked.is_list or not isinstance(given, (list, tuple)):
        return NOT_PLAIN
    found = [_one(asked.annotation.__args__[0], asked.parameter_info, each) for each in given]
    return NOT_PLAIN if any(each is NOT_PLAIN for each in found) else found


def _one(kind: Any, limits: Any, given: Any) -> Any:
    if limits.parser is not None:
        return NOT_PLAIN
    if kind is str or kind is bool:
        return given if type(given) is kind else NOT_PLAIN
    if kind is int:
        return _whole(limits, given)
    return _path(limits, given) if kind is Path else NOT_PLAIN


def _whole(limits: Any, given: Any) -> Any:
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 10:
        given = int(given)
    if type(given) is not int or limits.clamp:
        return NOT_PLAIN
    low = limits.min is None or given >= limits.min
    high = limits.max is None or given <= limits.max
    return given if low and high else NOT_PLAIN


def _path(limits: Any, given: Any) -> Any:
    special = (limits.exists, limits.writable, limits.resolve_path, limits.allow_dash, limits.path_type)
    if any(special) or not (limits.file_okay and limits.dir_okay) or not isinstance(given, (str, Path)):
        return NOT_PLAIN
    unreadable = limits.readable and os.path.exists(given) and not os.access(given, os.R_OK)
    return NOT_PLAIN if unreadable else Path(given)
