"""Questions to a large house: where a digest comes from, and what runs where."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from bench import seeds
from bench.figures import Figure, median, spread, timed
from bench.running import answers, free_port, wait_until
from clearway import releases
from clearway.artifacts import store as artifact_store
from clearway.deploy import store as deploy_store
from clearway.releases import store as release_store
from clearway.storage import Database

COMMAND = "make bench ONLY=core"
ARTIFACTS = 100_000
SERVICES = 1000
RUNS = 20


def trace_ms() -> list[Figure]:
    """The whole chain of one digest among 100,000 artifacts."""
    with tempfile.TemporaryDirectory() as folder:
        database = seeds.house(Path(folder)).database
        with database.begin() as uow:
            seeds.platform(uow, 100)
            wheel = seeds.history(uow, ARTIFACTS)
        links = _trace(database, wheel)
        traces = [1000 * timed(lambda: _trace(database, wheel)) for _ in range(RUNS)]
        rows = [1000 * timed(lambda: _row(database, wheel)) for _ in range(RUNS)]
        database.dispose()
    note = (
        f"{links} links; rows written in bulk into the rooms' tables, without git, so the author is not read"
    )
    peer = "one artifact's row by its digest"
    return [
        Figure("core.trace_ms", median(traces), "ms", peer, median(rows), RUNS, spread(traces), COMMAND, note)
    ]


def _trace(database: Database, digest: str) -> int:
    with database.read() as uow:
        return len(releases.trace(uow, digest).links)


def _row(database: Database, digest: str) -> None:
    table = artifact_store.artifact_table
    with database.read() as uow:
        uow.connection.execute(sa.select(table).where(table.c.digest == digest)).one()


def overview_ms() -> list[Figure]:
    """What runs where, at 1,000 services in 5 environments: the function, the API, the page."""
    with tempfile.TemporaryDirectory() as folder:
        built = seeds.house(Path(folder))
        database = built.database
        with database.begin() as uow:
            seeds.everything_runs(uow, SERVICES)
        _overview(database)
        ours = [1000 * timed(lambda: _overview(database)) for _ in range(RUNS)]
        bare = [1000 * timed(lambda: _same_rows(database)) for _ in range(RUNS)]
        database.dispose()
        api, page, size = _over_http(Path(folder))
    peer = {"peer": "only reading the same rows", "peer_value": median(bare), "command": COMMAND}
    seeded = f"{SERVICES} services x 5, two instances each, written in bulk into the rooms' tables"
    held = "the first 50 services; the server keeps a snapshot for ten times what it took"
    return [
        Figure("core.overview_ms", median(ours), "ms", runs=RUNS, spread=spread(ours), note=seeded, **peer),
        Figure(
            "core.overview_page_ms",
            median(page),
            "ms",
            runs=len(page),
            spread=spread(page),
            note=held,
            **peer,
        ),
        Figure(
            "core.overview_api_ms",
            median(api),
            "ms",
            runs=len(api),
            spread=spread(api),
            note=f"all of it in one answer of {size / 1e6:.1f} MB",
            **peer,
        ),
    ]


def _overview(database: Database) -> None:
    with database.read() as uow:
        assert len(releases.overview(uow).services) == SERVICES


def _same_rows(database: Database) -> None:
    with database.read() as uow:
        for table in (
            deploy_store.currents,
            deploy_store.deployments,
            deploy_store.listeners,
            deploy_store.instances,
            release_store.places,
        ):
            uow.connection.execute(sa.text(f"select * from {table.name}")).all()  # noqa: S608 - our names


def _over_http(home: Path) -> tuple[list[float], list[float], int]:
    """The server alone: a worker would try to start ten thousand processes that are not there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "clearway.wiring", "server", "--home", str(home)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    token = (home / "admin.token").read_text().strip()
    try:
        wait_until(lambda: answers(url + "/v1/schema/clearway.json"))
        with httpx.Client(base_url=url, timeout=60) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            size = len(_good(client.get("/v1/overview")).content)
            api = [1000 * timed(lambda: _good(client.get("/v1/overview"))) for _ in range(RUNS)]
        with httpx.Client(base_url=url, timeout=60, cookies={"clearway_session": token}) as client:
            page = [1000 * timed(lambda: _good(client.get("/"))) for _ in range(RUNS)]
    finally:
        server.terminate()
        server.wait(20)
    return api, page, size


def _good(answer: Any) -> Any:
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.url}: {answer.status_code} {answer.text[:500]}")
    return answer
