"""What a process loads, and does not load, before it works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# In the order of a start: settings, logs, rooms and adapters, tables, then what the process is for.
START = """
import json, sys
from pathlib import Path
from clearway.wiring import processes, settings, logs, system, schema
chosen = settings.load(Path(sys.argv[1])); logs.configure("warning")
built = system.build_system(chosen); schema.upgrade(built.database, chosen.home); system.first_start(built)
from clearway.wiring import edge
edge.application(built)
print(json.dumps(sorted(sys.modules)))
"""
# What the first answer does not need, and what each would cost in time and memory of every server.
LATER = ("dbos", "alembic", "psycopg", "pygit2", "cedarpy", "scipy", "numpy", "apprise", "cyclonedx", "cel")
LATER += ("rich", "httpx", "holidays", "icalendar", "securesystemslib", "clearway.api.answers")


def _start(home: Path) -> set[str]:
    command = [sys.executable, "-c", START, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.integration
def test_a_server_loads_what_it_needs_when_it_needs_it(tmp_path: Path) -> None:
    """A start with nothing to migrate loads no engine, no git and no policy language."""
    _start(tmp_path)
    assert sorted(_start(tmp_path) & set(LATER)) == []
