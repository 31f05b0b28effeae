"""Diffoscope's own words about two files, when it is installed: `pip install clearway[explain]`.

It starts many programs on files that strangers made, so it runs where builds run: apart, without a network.
"""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

from clearway.build.ports import Job, Mount, Sandbox
from clearway.build.workshop import Workshop
from clearway.storage import Database

MOST = 200_000  # characters of its report
SECONDS = 120.0
_START = "import sys; from diffoscope.main import main; sys.argv[0] = 'diffoscope'; main()"


def found() -> Path | None:
    """The folder that it is imported from; None when it is not there."""
    spec = importlib.util.find_spec("diffoscope")
    return Path(spec.origin).parent.parent if spec and spec.origin else None


def explain(database: Database, identity: str, name: str, first: Path, second: Path) -> str:
    """Its report as text; empty when it is not there, or has nothing to say."""
    packages = found()
    if packages is None:
        return ""
    sandbox, workshop = database.tool(Sandbox), database.tool(Workshop)
    bench = Mount(workshop.fresh(identity, "diffoscope"), "/build", writable=True)
    last = PurePosixPath(name).name
    for side, path in (("recorded", first), ("rebuilt", second)):
        (bench.source / side).mkdir()
        shutil.copyfile(path, bench.source / side / last)
    site = Mount(packages, "/diffoscope")
    inside = sandbox.where(bench)
    job = Job(
        argv=(
            sandbox.python,
            "-c",
            _START,
            *("--no-progress", "--exclude-directory-metadata=yes", "--max-text-report-size", str(MOST)),
            *("--text", "-", f"recorded/{last}", f"rebuilt/{last}"),
        ),
        cwd=inside,
        environment={
            "PATH": "/usr/bin:/bin",
            "HOME": inside,
            "TMPDIR": inside,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": sandbox.where(site),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        mounts=(bench, site),
        limits=replace(workshop.limits, seconds=SECONDS),
    )
    said: list[bytes] = []
    ended = sandbox.run(job, lambda data: said.append(data) if len(said) < 10_000 else None, lambda: None)
    text = b"".join(said).decode(errors="replace")
    return text[:MOST] if ended.state == "exited" and ended.code in (0, 1) else ""
