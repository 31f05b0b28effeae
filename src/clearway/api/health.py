"""Whether this server can do its work, and what is wrong when it cannot."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from clearway.kernel import ClearwayError
from clearway.storage import Database

LEAST_FREE = 64 * 1024 * 1024
Status = Literal["ok", "degraded", "failing"]
_RANK: dict[str, int] = {"ok": 0, "degraded": 1, "failing": 2}


def look(database: Database, home: Path) -> dict[str, Any]:
    """The whole, and each part; says nothing that an outsider must not know."""
    checks = {
        "database": _guarded(lambda: _database(database)),
        "disk": _guarded(lambda: _disk(home)),
        "worker": _guarded(lambda: _worker(database, home)),
    }
    worst = max((each["status"] for each in checks.values()), key=lambda status: _RANK[status])
    return {"status": worst, "checks": checks}


def _guarded(check: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return check()
    except ClearwayError as error:
        return _said("failing", error.message)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        return _said("failing", f"{type(error).__name__}; see the server's log")


def _database(database: Database) -> dict[str, str]:
    with database.read() as uow:
        uow.connection.execute(sa.text("select 1"))
    return {"status": "ok"}


def _disk(home: Path) -> dict[str, str]:
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE:
        return _said("failing", f"only {free // 1024} KiB are free on the disk of the data folder")
    return {"status": "ok"}


def _worker(database: Database, home: Path) -> dict[str, str]:
    if database.engine.dialect.name != "sqlite":
        return {"status": "ok"}  # workers are elsewhere; the queue's age is in /metrics
    try:
        with (home / "worker.lock").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return {"status": "ok"}
    except FileNotFoundError:
        pass
    return _said("degraded", "no worker runs: nothing is built or deployed until one does")


def _said(status: Status, message: str) -> dict[str, str]:
    return {"status": status, "message": message}
