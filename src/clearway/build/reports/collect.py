"""Takes the reports out of a bench.

Rules:
1. A report is a plain file of the bench behind no link, copied to where no job writes before it is read.
2. Numbers and sizes are limited; what is over is an error, not left out in silence.
3. A report that cannot be read is kept, and fails the build: somebody relies on it.
4. A report with a secret of the service in it, in any form that the log masks, is not kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from clearway import artifacts
from clearway.build import outputs
from clearway.build.masking import gives_away
from clearway.build.model import BuildFailed
from clearway.build.products import digest_file
from clearway.build.secrets import every_value
from clearway.build.work import Work
from clearway.storage import read_chunks

from . import coverage, junit, sarif
from .kept import Report, replace_reports

READERS: Mapping[str, Callable[[IO[bytes]], dict[str, Any]]] = {
    "junit": junit.read,
    "coverage": coverage.read,
    "sarif": sarif.read,
}
MOST_FILES = 200  # of one kind
MOST_BYTES = 16 << 20  # of one report


def collect(work: Work) -> list[Report]:
    """Keep what the globs of clearway.yaml match in the bench as it is now.

    What cannot be read has an error, and the whole is kept with the build at once, so that a build that fails
    has its reports too. The caller decides what an error means: see `must_be_read`.
    """
    wanted = work.definition.build.reports
    if not any(getattr(wanted, kind) for kind in READERS):
        return []
    with work.database.read() as uow:
        secrets = every_value(uow, work.build.service)
    found: list[Report] = []
    for kind in READERS:
        globs: Sequence[str] = getattr(wanted, kind)
        names = sorted(
            {name for glob in globs for name in outputs.match(work.bench.source, work.project, glob)}
        )
        if globs and not names:
            work.log.say("reports", f"nothing matches {kind}: {', '.join(globs)}")
        if len(names) > MOST_FILES:
            raise BuildFailed(
                f"{len(names)} files match the reports {kind}", expected=f"at most {MOST_FILES}"
            )
        found += [_kept(work, kind, name, secrets) for name in names]
    with work.database.begin() as uow:
        replace_reports(uow, work.build.id, READERS, found)
    for each in found:
        work.log.say("reports", f"{each.kind} {each.name}: {each.error or tell(each)}")
    return found


def _matches(work: Work, globs: Sequence[str]) -> list[str]:
    bench = work.bench.source
    return sorted({name for glob in globs for name in outputs.match(bench, work.project, glob)})


def must_be_read(found: Sequence[Report]) -> None:
    """Raises BuildFailed for the first that was not."""
    for each in found:
        if each.error:
            raise BuildFailed(
                f"the {each.kind} report {each.name} cannot be used: {each.error}",
                todo="Mend the tool that writes it, or take it out of `reports` in clearway.yaml.",
            )


def _kept(work: Work, kind: str, name: str, secrets: Sequence[bytes]) -> Report:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="replace").decode()
        return Report(kind, shown, "", 0, {}, "its name is no text")
    place = work.workshop.fresh(work.build.id, f"report-{threading.get_ident()}") / "report"
    try:
        outputs.copy(work.bench.source, f"{work.project}/{name}", place, MOST_BYTES)
        digest, size = digest_file(place), place.stat().st_size
    except (BuildFailed, FileNotFoundError) as error:
        return Report(kind, name, "", 0, {}, str(error))
    if secrets and gives_away(secrets, read_chunks(place)):
        return Report(kind, name, "", 0, {}, "it holds a secret of the service")
    artifacts.keep_file(work.blobs, place, expected=digest)
    try:
        return Report(kind, name, digest, size, _read(kind, place))
    except BuildFailed as error:
        return Report(kind, name, digest, size, {}, error.message)


def _read(kind: str, place: Path) -> dict[str, Any]:
    with place.open("rb") as stream:
        return READERS[kind](stream)


def counted(found: Sequence[Report]) -> dict[str, Any] | None:
    """The test cases of all JUnit reports together; None without any."""
    rows = [each.summary for each in found if each.kind == "junit" and not each.error]
    if not rows:
        return None
    counts: dict[str, Any] = {
        name: sum(row[name] for row in rows) for name in ("passed", "failed", "skipped", "total")
    }
    for name in ("passed_names", "failed_names"):
        counts[name] = [each for row in rows for each in row[name]][: junit.MOST_NAMES]
    return counts


def tell(report: Report) -> str:
    """What one says, in a line."""
    said = report.summary
    match report.kind:
        case "junit":
            return f"{said['passed']} of {said['total']} passed, {said['failed']} failed"
        case "coverage":
            whole = coverage.total([dict(said)])["lines"]
            return f"{whole['covered']} of {whole['total']} lines ran ({whole['percent'] or 0:g} %)"
        case _:
            counts = said["counts"]
            return f"{counts['error']} errors, {counts['warning']} warnings, {counts['note']} notes"
