"""Printing a build's log: whole, as it grows, what a search finds in it, what says why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import colours
from .context import Context
from .exits import FAILED, OK, CliError
from .watch import leaving


def show(context: Context, build_id: str, *, follow: bool, search: str, step: str, failing: bool) -> int:
    """The log, or what was asked for of it."""
    place = f"/v1/builds/{build_id}/log"
    if failing:
        return _numbered(context, context.server.get(f"{place}/failing")["items"])
    if search or (step and not follow):
        return _numbered(context, list(_hits(context, place, search, step)), search)
    if follow:
        return _follow(context, place, build_id, step)
    if context.as_json:
        text = "".join(_pieces(context, place))
        context.show({"id": build_id, "log": text}, lambda: None)
        return OK
    _print(line for piece in _pieces(context, place) for line in piece.split("\n")[:-1])
    return OK


def _pieces(context: Context, place: str) -> Iterator[str]:
    offset = 0
    while True:
        text, headers = context.server.text_with_headers(place, offset=offset)
        yield text
        offset = int(headers.get("Clearway-Log-Offset", "0"))
        if not text or headers.get("Clearway-Log-Complete") == "yes":
            return


def _hits(context: Context, place: str, search: str, step: str) -> Iterator[Any]:
    after = 0
    while True:
        found = context.server.get(f"{place}/search", text=search, step=step, after=after, limit=1000)
        yield from found["hits"]
        after = found["more_after"]
        if after is None:
            return


def _numbered(context: Context, lines: list[Any], search: str = "") -> int:
    painted = colours.wanted()

    def tell() -> None:
        for each in lines:
            text = colours.painted(each["text"], painted)
            context.say(f"{each['number']:>7}  {each['step']} | {text}")

    context.show(lines, tell)
    return FAILED if search and not lines else OK


def _follow(context: Context, place: str, build_id: str, step: str) -> int:
    if context.as_json:
        raise CliError("a log that grows is no JSON document", expected="no --json")
    lines = context.server.lines(place)
    if step:
        lines = (line for line in lines if _of(line.partition(" | ")[0], step))
    with leaving(f"the build goes on: clearway build --log {build_id}"):
        _print(lines)
    ended = context.server.get(f"/v1/builds/{build_id}")
    return FAILED if ended["status"] in ("failed", "cancelled") else OK


def _of(name: str, step: str) -> bool:
    return name == step or (name.startswith(step + " ") and name[len(step) + 1 :].isdigit())


def _print(lines: Iterable[str]) -> None:
    painted = colours.wanted()
    for line in lines:
        print(colours.painted(line, painted), flush=painted)
