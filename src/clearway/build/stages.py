"""What a build did when: its stages, written down as they begin and end.

Rules:
1. While the build runs they are lines of a file beside the log, appended and never changed: cheap enough for
   a thousand short steps, whole after any crash. When it ends they go into its row.
2. A stage that began and never ended, and began again, was interrupted: only the last counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from clearway.storage import Database, UnitOfWork

from . import store
from .workshop import Workshop

FILE = "stages.jsonl"
State = Literal["running", "succeeded", "failed", "skipped", "cancelled", "interrupted"]
MOST = 2000


@dataclass(frozen=True)
class Stage:
    """One stage of a build; its lines in the log have its name."""

    name: str  # "build 1", or "compile 1" within it
    within: str | None  # the stage that it is a part of
    needs: tuple[str, ...]  # stages that come right before
    state: State
    started_at: datetime
    finished_at: datetime | None = None
    code: int | None = None  # of the last command, when it has one
    attempts: int = 1
    cached_from: str | None = None  # the build that ran it

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class Stages:
    """Writes down the stages of one build. Several steps may do so at once: each line is one write."""

    def __init__(self, database: Database, build_id: str) -> None:
        self._clock = database.clock
        self._path = database.tool(Workshop).place(build_id, FILE)

    def begin(self, name: str, *, within: str | None = None, needs: Sequence[str] = ()) -> None:
        """The stage begins now."""
        self._write({"begin": name, "within": within, "needs": list(needs)})

    def end(self, name: str, state: State, **more: Any) -> None:
        """It ends now. `more`: code, attempts, cached_from."""
        self._write({"end": name, "state": state, **more})

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps({**line, "at": self._clock().isoformat()}) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, flags, 0o600)
        except OSError:
            return  # a picture of the build is not worth its failure
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def read_lines(text: str) -> list[Stage]:
    """The stages that the lines tell, in the order in which they began. A broken line tells nothing."""
    found: dict[str, Stage] = {}
    for line in text.splitlines()[: 4 * MOST]:
        try:
            told = json.loads(line)
            at = datetime.fromisoformat(told.pop("at"))
            if "begin" in told:
                name = told["begin"]
                found.pop(name, None)
                found[name] = Stage(name, told["within"], tuple(told["needs"]), "running", at)
            elif told["end"] in found:
                name = told.pop("end")
                found[name] = Stage(**{**asdict(found[name]), **told, "finished_at": at})
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return list(found.values())[:MOST]


def ended(stages: Iterable[Stage], at: datetime, state: State) -> list[Stage]:
    """The stages of a build that has ended: what still ran, ended with it."""
    return [
        Stage(**{**asdict(each), "finished_at": at, "state": state}) if each.state == "running" else each
        for each in stages
    ]


def pack(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """For the build's row."""
    return [
        {
            **asdict(each),
            "needs": list(each.needs),
            "started_at": each.started_at.isoformat(),
            "finished_at": each.finished_at.isoformat() if each.finished_at else None,
        }
        for each in stages
    ]


def unpack(rows: Iterable[Mapping[str, Any]]) -> list[Stage]:
    """From the build's row."""
    return [
        Stage(
            **{
                **row,
                "needs": tuple(row["needs"]),
                "started_at": datetime.fromisoformat(row["started_at"]),
                "finished_at": datetime.fromisoformat(row["finished_at"]) if row["finished_at"] else None,
            }
        )
        for row in rows
    ]


def so_far(workshop: Workshop, build_id: str) -> list[Stage]:
    """The stages of a build that runs."""
    try:
        return read_lines(workshop.place(build_id, FILE).read_text())
    except OSError:
        return []


def stages(uow: UnitOfWork, build_id: str) -> list[Stage]:
    """The stages of a build, while it runs and afterwards; empty before it begins."""
    kept = store.stages_of(uow, build_id)
    return unpack(kept) if kept is not None else so_far(uow.tool(Workshop), build_id)
