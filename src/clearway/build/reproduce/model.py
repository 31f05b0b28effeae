"""A reproduction: one attempt to make the bytes of an artifact again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from .difference import Verdict

Status = Literal["queued", "running", "done", "failed"]
OPEN: tuple[Status, ...] = ("queued", "running")
WORDS: Mapping[str, str] = {
    "identical": "bit-identical",
    "equivalent": "equivalent after normalisation",
    "different": "different",
}


@dataclass(frozen=True)
class Output:
    """One artifact of the build, and what the rebuild made of it."""

    name: str
    recorded: str  # its digest
    rebuilt: str | None  # None: the rebuild made no such file
    verdict: Verdict


@dataclass(frozen=True)
class Rebuild:
    """One run of the recipe."""

    varied: Sequence[str]
    identical: bool  # with the recorded bytes
    digests: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Report:
    """What was found out."""

    varied: Sequence[str] = ()  # what was otherwise in the rebuild that decides
    not_varied: Mapping[str, str] = field(default_factory=dict)  # with the reason
    outputs: Sequence[Mapping[str, Any]] = ()
    rebuilds: Sequence[Mapping[str, Any]] = ()
    causes: Sequence[Mapping[str, Any]] = ()
    differences: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()  # what else is not as recorded: the sandbox, the machine's tools
    diffoscope: str = ""  # its words, when it is there

    def as_json(self) -> dict[str, Any]:
        """For the table."""
        return asdict(self)


@dataclass(frozen=True)
class Reproduction:
    """One attempt."""

    id: str
    digest: str  # of the artifact that was asked for
    artifact: str  # its name
    build_id: str  # that made it
    service: str
    version: str
    status: Status
    asked_by: str
    asked_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    verdict: Verdict | None = None  # of the artifact that was asked for; None: not known
    error: str | None = None  # why it could not be rebuilt
    report: Mapping[str, Any] = field(default_factory=dict)  # of Report


@dataclass(frozen=True)
class Mark:
    """The newest verdict about one version of a service."""

    version: str
    build_id: str
    reproduction_id: str
    verdict: Verdict | None
    at: datetime


@dataclass(frozen=True)
class Score:
    """How many of a service's builds can be made again."""

    service: str
    marks: Sequence[Mark]  # oldest first
    share: float | None  # of the marks: bit-identical; None without any
    over_time: Sequence[tuple[datetime, float]]  # after each mark, over the ones before it


def score(service: str, marks: Sequence[Mark], window: int = 20) -> Score:
    """The share of the last `window` builds that came out bit-identical, now and after each of them."""
    line = []
    for at in range(1, len(marks) + 1):
        last = marks[max(0, at - window) : at]
        line.append((marks[at - 1].at, sum(each.verdict == "identical" for each in last) / len(last)))
    return Score(service, marks, line[-1][1] if line else None, line)
