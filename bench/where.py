"""Where a commit runs, in a large history with many releases; beside git's own answer."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from bench import histories, seeds
from bench.figures import Figure, median, spread, timed
from bench.running import answers, free_port, wait_until
from clearway import catalog, releases, source
from clearway.kernel import SYSTEM
from clearway.releases import store as release_store
from clearway.storage import Database, UnitOfWork

COMMAND = "make bench ONLY=source"
COMMITS, RELEASES, ASKED, PEER_ASKED = 100_000, 1000, 400, 40
SERVICE = "service-0000"


def where_ms() -> list[Figure]:
    """Any commit among 100,000, with 1,000 releases that ran in each of five environments."""
    with tempfile.TemporaryDirectory() as folder:
        home, place = Path(folder) / "home", Path(folder) / "history.git"
        histories.make(place, COMMITS, RELEASES, 1)
        home.mkdir()
        built = seeds.house(home)
        database = built.database
        tips = _seed(database, place)
        shas = _out("rev-list", place, "refs/heads/main").split()
        dice = random.Random(3)
        asked = [dice.choice(shas) for _ in range(ASKED)]
        cold = 1000 * timed(lambda: _ask(database, asked[0]))
        ours = [1000 * timed(lambda sha=sha: _ask(database, sha)) for sha in asked]
        newest = tips[-1]
        plain = [1000 * timed(lambda sha=sha: _ancestor(place, sha, newest)) for sha in asked[:PEER_ASKED]]
        database.dispose()
        over, first = _over_http(home, asked)
    at = sorted(ours)[int(len(ours) * 0.99)]
    note = (
        f"{COMMITS} commits x {RELEASES} releases, each ran in {len(seeds.STOPS)} environments;"
        f" p99 {at:.2g} ms; the first question, which builds the index, {cold:.0f} ms;"
        " the peer answers for one release only"
    )
    top = sorted(over)[int(len(over) * 0.99)]
    through = f"the same questions through the API; p99 {top:.2g} ms, the first {first:.0f} ms"
    peer = {"peer": "git merge-base --is-ancestor", "peer_value": median(plain)}
    of: dict[str, Any] = {**peer, "runs": ASKED, "command": COMMAND}
    return [
        Figure("source.where_ms", median(ours), "ms", spread=spread(ours), note=note, **of),
        Figure("source.where_api_ms", median(over), "ms", spread=spread(over), note=through, **of),
    ]


def _seed(database: Database, place: Path) -> list[str]:
    """A service that comes from the history, and its releases, all of which ran everywhere."""
    with database.begin() as uow:
        seeds.platform(uow, 1)
        document = catalog.KINDS["Service"](
            kind="Service", name=SERVICE, team="makers", repository=str(place), route="straight"
        )
        catalog.apply(uow, SYSTEM, [document])
    repo = source.sync(database, SERVICE)
    tagged = sorted(source.tags(repo).items(), key=lambda each: source.commit(repo, each[1]).committed_at)
    tips = [sha for _, sha in tagged][-RELEASES:]
    with database.begin() as uow:
        _releases(uow, tips)
    return tips


def _releases(uow: UnitOfWork, tips: list[str]) -> None:
    made = [
        {**seeds.release_row(number, SERVICE, seeds.artifact_rows(number, SERVICE)), "commit": sha}
        for number, sha in enumerate(tips)
    ]
    seeds.write(uow, release_store.releases, made)
    ran = [
        {
            **seeds.promotion_row(number * len(seeds.STOPS) + stop, release, environment),
            "finished_at": seeds.NOW + timedelta(minutes=number, seconds=stop),
        }
        for number, release in enumerate(made)
        for stop, environment in enumerate(seeds.STOPS)
    ]
    seeds.write(uow, release_store.promotions, ran)
    places = [
        {
            "service": SERVICE,
            "environment": each["environment"],
            "release_digest": each["release_digest"],
            "version": each["version"],
            "promotion_id": each["id"],
            "since": each["finished_at"],
            "last_promotion": each["id"],
            "last_state": "succeeded",
            "last_version": each["version"],
            "last_at": each["finished_at"],
        }
        for each in ran[-len(seeds.STOPS) :]
    ]
    seeds.write(uow, release_store.places, places)


def _ask(database: Database, sha: str) -> None:
    with database.read() as uow:
        found = releases.where(uow, SYSTEM, sha, service=SERVICE)
        if not all(run.promotion for each in found for run in each.runs):
            raise RuntimeError(f"no answer for {sha}")


def _over_http(home: Path, asked: list[str]) -> tuple[list[float], float]:
    """The same through a server: milliseconds of each question, and of the first."""
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

            def ask(sha: str) -> None:
                client.get(f"/v1/where/{sha}", params={"service": SERVICE}).raise_for_status()

            first = 1000 * timed(lambda: ask(asked[0]))
            return [1000 * timed(lambda sha=sha: ask(sha)) for sha in asked], first
    finally:
        server.terminate()
        server.wait(20)


def _ancestor(place: Path, sha: str, tip: str) -> None:
    subprocess.run(["git", f"--git-dir={place}", "merge-base", "--is-ancestor", sha, tip], check=False)


def _out(word: str, place: Path, *more: str) -> str:
    words = ["git", f"--git-dir={place}", word, *more]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
