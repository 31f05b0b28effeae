"""Webhooks: from a signed delivery to what it recorded, at a whole running Clearway.

The peer is an application on the same server program that only checks the same signature and answers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.figures import Figure, spread
from bench.running import Running, clearway_up, free_port, git_repository, wait_until

COMMAND = "make bench ONLY=source"
DELIVERIES, PUSHES, WARM = 500, 300, 20
SECRET = "a secret of the benchmark, long enough"  # noqa: S105 - of a server that lives for a minute
HEAD, LEFT = "5a43b1a09e8d7c6b1f0e6a4c0d5b7a92e8c3f4d6", "9c1d2e3f4a5b60718293a4b5c6d7e8f901234567"
_PLATFORM = """
{kind: Team, name: store}
---
{kind: Environment, name: prod, type: production, order: 1}
---
{kind: Route, name: standard, environments: [prod]}
---
{kind: Repository, name: shop-code, location: '%s', forge: github, poll: 0s}
---
{kind: Service, name: shop, team: store, repository: shop-code, route: standard}
"""
_PEER = """
import hashlib, hmac, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def take(request):
    body = await request.body()
    ours = "sha256=" + hmac.new(sys.argv[2].encode(), body, hashlib.sha256).hexdigest()
    told = request.headers.get("x-hub-signature-256", "")
    return Response(status_code=202 if hmac.compare_digest(ours, told) else 404)
app = Starlette(routes=[Route("/hooks/{name}", take, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def webhooks() -> list[Figure]:
    """500 merged pull requests, then 300 pushes, one after the other; p99 of each."""
    with tempfile.TemporaryDirectory() as folder:
        code = git_repository(Path(folder) / "code", {"a.txt": "1"})
        with clearway_up(Path(folder) / "home") as (running, _):
            _declare(running, code)
            with httpx.Client(base_url=running.url, timeout=60) as client:
                told = _times(client, DELIVERIES)
                pushed = _pushes(running, client, code)
            with _peer() as address, httpx.Client(base_url=address, timeout=60) as client:
                bare = _times(client, DELIVERIES)
    note = f"median {_at(told, 50):.3g} ms; the peer's {_at(bare, 50):.3g} ms"
    return [
        Figure(
            *("source.webhook_p99_ms", _at(told, 99), "ms", "only the signature, and an answer"),
            *(_at(bare, 99), DELIVERIES, spread(told), COMMAND, note),
        ),
        Figure(
            *("source.webhook_fetched_p99_ms", _at(pushed, 99), "ms"),
            runs=PUSHES,
            spread=spread(pushed),
            command=COMMAND,
            note=f"median {_at(pushed, 50):.3g} ms",
        ),
    ]


def _at(values: list[float], percent: int) -> float:
    """The value that so many of a hundred do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _declare(running: Running, code: Path) -> None:
    running.post("/v1/apply", {"files": {"p.yaml": _PLATFORM % code}})
    answer = running.client.put(
        "/v1/repositories/shop-code/credentials/webhook", json={"value": SECRET, "reason": "bench"}
    )
    answer.raise_for_status()
    wait_until(lambda: running.get("/v1/repositories/shop-code")["synced_at"], 60)


def _send(client: httpx.Client, event: str, name: str, payload: dict[str, Any]) -> float:
    """Milliseconds until the answer, which comes when all is committed."""
    body = json.dumps(payload).encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": name,
        "x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
    }
    began = time.perf_counter()
    answer = client.post("/hooks/shop-code", content=body, headers=headers)
    took = 1000 * (time.perf_counter() - began)
    if answer.status_code != 202:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:200]}")
    return took


def _times(client: httpx.Client, count: int) -> list[float]:
    """Deliveries of merged pull requests, each another one."""
    found = []
    for number in range(1, count + WARM + 1):
        pull = {
            "number": number,
            "state": "closed",
            "merged": True,
            "title": f"Prices, part {number}",
            "body": "They were wrong. " * 40,
            "user": {"login": "dana"},
            "html_url": f"https://git.example/shop/pull/{number}",
            "labels": [{"name": "fix"}],
            "head": {"ref": "prices", "sha": HEAD},
            "base": {"ref": "main", "sha": LEFT},
            "merge_commit_sha": LEFT,
            "merged_by": {"login": "rita"},
            "merged_at": "2026-03-01T10:05:00Z",
            "updated_at": "2026-03-01T10:05:00Z",
        }
        payload = {"action": "closed", "number": number, "pull_request": pull}
        found.append(_send(client, "pull_request", f"pull-{number}", payload))
    return found[WARM:]


def _pushes(running: Running, client: httpx.Client, code: Path) -> list[float]:
    """From each push's delivery until its commit is in the mirror and the branch's move is recorded."""
    moved = "select 1 from source_ref_moves where new = ?"
    found = []
    with closing(sqlite3.connect(f"file:{running.home / 'clearway.db'}?mode=ro", uri=True)) as database:
        for number in range(PUSHES + WARM):
            sha = _commit(code)
            began = time.perf_counter()
            _send(client, "push", f"push-{number}", {"ref": "refs/heads/main", "after": sha, "n": number})
            wait_until(_is_there(database, moved, sha), 60, every=0.002)
            found.append(1000 * (time.perf_counter() - began))
    return found[WARM:]


def _is_there(database: sqlite3.Connection, query: str, sha: str) -> Callable[[], Any]:
    return lambda: database.execute(query, (sha,)).fetchone()


def _commit(code: Path) -> str:
    who = ["-c", "user.name=dev", "-c", "user.email=dev@example.com"]
    words = ["git", "-C", str(code), *who, "commit", "-q", "--allow-empty", "-m", "fix: prices"]
    subprocess.run(words, check=True, capture_output=True)
    told = subprocess.run(
        ["git", "-C", str(code), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


@contextmanager
def _peer() -> Iterator[str]:
    """The application that only checks and answers, in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _PEER, str(port), SECRET])
    address = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return httpx.get(f"{address}/hooks/x").status_code == 405
        except httpx.TransportError:
            return False

    try:
        wait_until(up, 30)
        yield address
    finally:
        process.terminate()
        process.wait(10)
