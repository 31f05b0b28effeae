"""A thousand builds of three steps that do nothing: ours, Buildbot's, Prefect's, and the bare commands.

All with two builds at once, on the database that each brings (SQLite), with the commands run by the
program's own means. Ours do more: a commit fetched and checked out, each step in a sandbox, an artifact,
signed evidence.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from bench.builds import LANES, QUEUED, bare, queued_s
from bench.figures import Figure, timed
from bench.queue_peers import buildbot_s, prefect_s

COMMAND = "make bench ONLY=build"
PEERS = {"Buildbot 4.3.0": buildbot_s, "Prefect 3.8.8": prefect_s}


def queue_1000_s() -> list[Figure]:
    """From the first request to the end of the last build."""
    wanted = os.environ.get("PEERS", "buildbot,prefect")
    with ThreadPoolExecutor(LANES) as pool:
        plain = timed(lambda: list(pool.map(bare, range(QUEUED))))
    ours, failed = queued_s()
    found = []
    for peer, measure in PEERS.items():
        if peer.split()[0].lower() not in wanted:
            continue
        theirs = measure(QUEUED, LANES)
        note = (
            f"{QUEUED} builds, {failed} failed, {LANES} at once; the {3 * QUEUED} bare commands take"
            f" {plain:.1f} s: less these, {peer} takes"
            f" {(theirs - plain) / (ours - plain):.1f} times our overhead"
        )
        name = "build.queue_1000_s"
        found.append(Figure(name, ours, "s", peer, theirs, 1, "", COMMAND, note, times=True))
    return found
