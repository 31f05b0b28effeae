"""What the rebuilds come to: a verdict an artifact, the differences, their causes, and signed statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from clearway import artifacts
from clearway.artifacts import REBUILT, Signer
from clearway.build.ports import Sandbox
from clearway.build.surroundings import NAMES, varied
from clearway.kernel import ClearwayError
from clearway.storage import Blobs, Database, UnitOfWork

from . import difference
from .causes import Cause, Seen, cause, find_causes
from .diffoscope import explain
from .model import Output, Report, Reproduction
from .recorded import Recorded, changed_tools

_MOST_READ = 256 << 20  # bytes of a file that is opened and compared
_WORST = ("identical", "equivalent", "different")


@dataclass(frozen=True)
class Evidence:
    """What the experiments gave."""

    rebuilt: Mapping[str, Any]  # the rebuild that decides
    control: Mapping[str, Any]  # with nothing varied
    stable: bool  # two rebuilds with nothing varied gave the same
    not_varied: Mapping[str, str]
    found: Mapping[str, Any]  # of search.Found
    rebuilds: Sequence[Mapping[str, Any]]


def conclude(database: Database, asked: Reproduction, recorded: Recorded, found: Evidence) -> dict[str, Any]:
    """The row's last values, and the statements to attach. A step: its result is JSON."""
    sandbox = database.tool(Sandbox)
    outputs, differences, words = _compare(database, asked, recorded, found)
    verdict = next(each.verdict for each in outputs if each.recorded == asked.digest)
    tools = changed_tools(recorded.materials, [dict(each) for each in sandbox.materials])
    causes = _causes(recorded, found, differences, tools, database)
    report = Report(
        varied=[name for name in NAMES if name in found.rebuilt["varied"]],
        not_varied=found.not_varied,
        outputs=[asdict(each) for each in outputs],
        rebuilds=found.rebuilds,
        causes=[each.as_json() for each in causes],
        differences=[each.as_json() for each in differences],
        notes=_notes(recorded, found, sandbox.mode, tools),
        diffoscope=words,
    )
    signer = database.tool(Signer)
    with database.read() as uow:
        now = uow.now()
    statements = [
        artifacts.sign(
            signer,
            artifacts.statement(
                [(each.name, each.recorded)], REBUILT, _predicate(asked, each, report, sandbox, now)
            ),
        )
        for each in outputs
    ]
    return {
        "status": "done",
        "verdict": verdict,
        "report": report.as_json(),
        "statements": [
            {"digest": each.recorded, "envelope": envelope}
            for each, envelope in zip(outputs, statements, strict=True)
        ],
    }


def attach(uow: UnitOfWork, statements: Sequence[Mapping[str, Any]]) -> None:
    """Keep the statements, in the transaction that ends the reproduction."""
    for each in statements:
        artifacts.attach(uow, each["digest"], REBUILT, each["envelope"])


def _predicate(
    asked: Reproduction, output: Output, report: Report, sandbox: Sandbox, now: datetime
) -> dict[str, Any]:
    identical = output.verdict == "identical"
    return {
        "verdict": output.verdict,
        "identical": identical,
        "equivalent": output.verdict != "different",
        "varied": list(report.varied),
        "notVaried": dict(report.not_varied),
        "causes": [] if identical else [each["name"] for each in report.causes],
        "rebuilt": output.rebuilt,
        "build": asked.build_id,
        "reproduction": asked.id,
        "builder": sandbox.builder_id,
        "finishedOn": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _compare(
    database: Database, asked: Reproduction, recorded: Recorded, found: Evidence
) -> tuple[list[Output], list[difference.Difference], str]:
    outputs: list[Output] = []
    differences: list[difference.Difference] = []
    words = ""
    made = found.rebuilt["digests"]
    for name, digest in sorted(recorded.outputs.items(), key=lambda each: each[1] != asked.digest):
        rebuilt = made.get(name)
        if rebuilt == digest:
            outputs.append(Output(name, digest, rebuilt, "identical"))
            continue
        rows = _rows(database, name, digest, found.rebuilt["paths"].get(name))
        outputs.append(Output(name, digest, rebuilt, difference.verdict(rows)))
        differences += rows
        if rebuilt is not None and not words:
            words = _explained(database, asked, digest, name, Path(found.rebuilt["paths"][name]))
    return outputs, differences[: difference.MOST], words


def _rows(database: Database, name: str, digest: str, path: str | None) -> list[difference.Difference]:
    if path is None:
        return [difference.Difference(name, "only-first", note="the rebuild made no such file")]
    try:
        first = artifacts.path_of(database.tool(Blobs), digest)
    except ClearwayError as error:
        return [difference.Difference(name, "content", note=f"the first bytes cannot be read: {error}")]
    sizes = first.stat().st_size, Path(path).stat().st_size
    if max(sizes) > _MOST_READ:
        left, right = (f"{size} bytes" for size in sizes)
        note = "too large to be opened and compared"
        return [difference.Difference(name, "content", left, right, note=note)]
    return difference.compare(name, first.read_bytes(), Path(path).read_bytes())


def _explained(database: Database, asked: Reproduction, digest: str, name: str, rebuilt: Path) -> str:
    try:
        first = artifacts.path_of(database.tool(Blobs), digest)
        return explain(database, asked.id, name, first, rebuilt)
    except (ClearwayError, OSError):
        return ""


def _causes(
    recorded: Recorded,
    found: Evidence,
    differences: Sequence[difference.Difference],
    tools: Sequence[str],
    database: Database,
) -> list[Cause]:
    failed = [each for each in found.rebuilds if each["error"]]
    network = [cause("network")] if any(_of_network(str(each["error"])) for each in failed) else []
    if not differences:
        return network
    with database.read() as uow:
        now = uow.now()
    seen = Seen(
        alone=found.found["alone"],
        together=found.found["together"],
        plain_differs=found.control["digests"] != dict(recorded.outputs),
        plain_stable=found.stable,
        tools=tools,
        around=_around(recorded, found.rebuilt["varied"]),
        days=[datetime.fromisoformat(recorded.started), now],
    )
    return [*find_causes(differences, seen), *network]


def _of_network(error: str) -> bool:
    return any(word in error.lower() for word in ("network is unreachable", "name resolution"))


def _around(recorded: Recorded, names: Sequence[str]) -> dict[str, str]:
    """Texts that only come from the surroundings, with the cause that they show."""
    base, other = recorded.surroundings, varied(names, recorded.surroundings)
    pairs = (
        (other.bench, base.bench, "path"),
        (other.host, base.host, "host"),
        (other.user, base.user, "user"),
        (other.home, base.home, "home"),
    )
    return {there: name for there, here, name in pairs if there != here}


def _notes(recorded: Recorded, found: Evidence, mode: str, tools: Sequence[str]) -> list[str]:
    notes = []
    if mode != recorded.mode:
        notes.append(f"it was built in the sandbox {recorded.mode}, and rebuilt in the sandbox {mode}")
    notes += [f"this machine is not the same any more: {each}" for each in tools[:20]]
    if together := found.found["together"]:
        notes.append(f"only together do these make a difference: {', '.join(together)}")
    if not found.found["whole"]:
        notes.append("the search for the cause ended early: the rebuilds take too long")
    return notes
