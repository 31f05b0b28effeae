"""Watching something until it has ended: builds, promotions, and what a promotion's deployment does."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .context import Context
from .exits import INTERRUPTED, UNREACHABLE, CliError

ENDED = frozenset({"succeeded", "rolled-back", "failed", "refused", "rejected", "cancelled", "superseded"})
LOOK_EVERY_S = 0.5
_PATIENCE_S = 120.0  # how long the server may be away meanwhile, as when it is upgraded


def until(look: Callable[[], Any], done: Callable[[Any], bool], tell: Callable[[Any], None]) -> Any:
    """Look until it is done, telling each state; a server that is away for a while is waited for."""
    away: float | None = None
    while True:
        try:
            found = look()
        except CliError as error:
            now = time.monotonic()
            away = away or now
            if error.code != UNREACHABLE or now - away > _PATIENCE_S:
                raise
        else:
            away = None
            tell(found)
            if done(found):
                return found
        time.sleep(LOOK_EVERY_S)


def build(context: Context, build_id: str) -> Any:
    """Wait for a build's end; its log runs by on standard error."""
    path = f"/v1/builds/{build_id}"
    follower = threading.Thread(target=_follow, args=(context, path + "/log"), daemon=True)
    follower.start()
    with (
        leaving(f"the build goes on: clearway build --log {build_id}"),
        context.working(f"build {build_id}") as tell,
    ):
        found = until(
            lambda: context.server.get(path),
            lambda row: row["status"] not in ("queued", "running"),
            lambda row: tell(f"build {row.get('version') or build_id}: {row['status']}"),
        )
    follower.join(timeout=5)
    return found


def reproduction(context: Context, reproduction_id: str) -> Any:
    """Wait until a rebuild was compared."""
    path = f"/v1/reproductions/{reproduction_id}"
    with (
        leaving("it goes on: clearway reproduce --list"),
        context.working(f"reproduction {reproduction_id}") as tell,
    ):
        return until(
            lambda: context.server.get(path),
            lambda row: row["status"] not in ("queued", "running"),
            lambda row: tell(f"{row['service']} {row['version']}: {row['status']}"),
        )


def cut(context: Context, cut_id: str) -> Any:
    """Wait until a release is cut: tagged, built and there, or failed."""
    path = f"/v1/cuts/{cut_id}"
    with (
        leaving(f"it goes on: clearway release SERVICE --list, or GET {path}"),
        context.working(f"release {cut_id}") as tell,
    ):
        return until(
            lambda: context.server.get(path),
            lambda row: row["state"] in ("released", "failed"),
            lambda row: tell(f"{row['service']} {row['version']}: {row['state']}"),
        )


@contextmanager
def leaving(text: str) -> Iterator[None]:
    """Ctrl-C ends the watching, not what is watched: say so, and how to look again."""
    try:
        yield
    except KeyboardInterrupt:
        raise CliError(f"interrupted; {text}", INTERRUPTED) from None


def _follow(context: Context, path: str) -> None:
    from . import colours
    from .client import Server

    painted = colours.wanted(sys.stderr)
    try:
        # Its own connection, for its own thread.
        with Server(context.profile.url, context.profile.token) as server:
            for line in server.lines(path):
                print(f"  {colours.painted(line, painted)}", file=sys.stderr, flush=True)
    except CliError as error:
        print(f"  (the log cannot be followed: {error.message})", file=sys.stderr)


def promotion(context: Context, promotion_id: str) -> Any:
    """Wait for a promotion's end, telling why it waits and what its deployment does."""
    path = f"/v1/promotions/{promotion_id}"
    with (
        leaving(f"the promotion goes on: clearway status {promotion_id}"),
        context.working(f"promotion {promotion_id}") as tell,
    ):
        return until(
            lambda: context.server.get(path),
            lambda row: row["state"] in ENDED,
            lambda row: tell(_state(context, row)),
        )


def _state(context: Context, row: Any) -> str:
    text = f"{row['service']} {row['version']} to {row['environment']}: {row['state']}"
    if row["state"] == "deploying" and row["deployment_id"]:
        try:
            found = context.server.get(f"/v1/deployments/{row['deployment_id']}")
        except CliError:
            return text
        return f"{text}: {found.get('reason') or found['state']}{_traffic(found)}"
    return f"{text}: {row['why']}" if row.get("why") else text


def _traffic(found: Any) -> str:
    weights = found.get("weights") or {}
    new = weights.get(found.get("id"))
    return f" ({new} % of the traffic)" if new is not None else ""
