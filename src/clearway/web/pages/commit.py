"""One commit, and the history of a file: who changed it, who looked at it, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from starlette.responses import Response

from clearway import catalog, releases, source
from clearway.kernel import ClearwayError
from clearway.web.visit import Visit

OPEN_LINES = 400  # of differences that are unfolded; more are there, folded
PAGE = 30
KINDS = {"+": "came", "-": "went", "@": "at"}

Run = tuple[str, str]  # what happened to some lines, and the lines


def show(visit: Visit) -> Response:
    """One commit with its people, its way, and its files."""
    name = visit.part("service")
    with visit.database.read() as uow:
        service = catalog.service(uow, name)
        page = releases.about_commit(uow, visit.actor, name, visit.part("commit"))
        stops = _stops(visit, uow, name)
    return visit.page(
        "commit.html",
        service=service,
        commit=page.commit,
        signature=page.signature,
        violations=page.violations,
        patch=page.patch,
        files=list(_unfolded(page.patch.files)),
        stops=stops,
    )


def history(visit: Visit) -> Response:
    """Every change to a file, or to lines of it."""
    name = visit.part("service")
    asked = {key: visit.query(key) or "" for key in ("path", "line", "ref")}
    values: dict[str, Any] = {"asked": asked, "found": None, "wrong": None}
    with visit.database.read() as uow:
        values["service"] = catalog.service(uow, name)
        try:
            if asked["path"]:
                spot = source.parse_spot(asked["path"], asked["line"])
                after = visit.query("after")
                values["found"] = releases.audit(
                    uow, visit.actor, name, spot, ref=asked["ref"], after=after, limit=PAGE
                )
        except ClearwayError as error:  # the form stays, to say something else
            values["wrong"] = error
    return visit.page("history.html", **values)


def _stops(visit: Visit, uow: Any, service: str) -> list[str]:
    readable = visit.places(uow, "deployment:read")
    return [stop for stop in catalog.route_of(uow, service).environments if stop in readable]


def _unfolded(files: tuple[source.FileChange, ...]) -> Iterator[tuple[source.FileChange, bool, list[Run]]]:
    """The files with their differences; unfolded from the top, as long as it can be overlooked."""
    room = OPEN_LINES
    for each in files:
        room -= each.text.count("\n") + 1
        yield each, room >= 0, _runs(each.text)


def _runs(text: str) -> list[Run]:
    """Lines of one kind in a row, as one piece."""
    lines = text.split("\n") if text else []
    kinds = groupby(lines, lambda line: KINDS.get(line[:1], "same"))
    return [(kind, "".join(f"{line}\n" for line in each)) for kind, each in kinds]
