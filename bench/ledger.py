"""The ledger against plain commits of the same database, and the verification of 100,000 entries."""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa

from bench import seeds
from bench.figures import Figure, median, spread, timed
from clearway import ledger
from clearway.kernel import Actor
from clearway.storage import Database

COMMAND = "make bench ONLY=core"
COMMITS = 300
ENTRIES = 100_000
DEV = Actor("dev")


def append_ratio() -> list[Figure]:
    """One entry a transaction, against one plain row a transaction, alternating in the same database."""
    with tempfile.TemporaryDirectory() as folder:
        database = seeds.house(Path(folder)).database
        with database.begin() as uow:
            uow.connection.execute(sa.text("create table plain (id integer primary key, body text)"))
        ours, plain = [], []
        for _ in range(5):
            plain.append(COMMITS / timed(lambda: _plain(database)))
            ours.append(COMMITS / timed(lambda: _appends(database)))
        database.dispose()
    return [
        Figure(
            "core.ledger_append_ratio",
            median(ours),
            "/s",
            "plain commits, same database",
            median(plain),
            5,
            spread(ours),
            COMMAND,
            f"{COMMITS} commits in each of 5 runs, alternating; SQLite, every commit synced to the disk",
        )
    ]


def _plain(database: Database) -> None:
    for number in range(COMMITS):
        with database.begin() as uow:
            uow.connection.execute(
                sa.text("insert into plain (body) values (:b)"), {"b": f"row {number}" * 20}
            )


def _appends(database: Database) -> None:
    for number in range(COMMITS):
        with database.begin() as uow:
            ledger.append(uow, DEV, "bench.written", f"service:s{number}", reason="bench", data={"n": number})


def verify_100k_s() -> list[Figure]:
    """Read 100,000 entries, hash every one, rebuild the tree, compare the root; against only reading them."""
    with tempfile.TemporaryDirectory() as folder:
        database = seeds.house(Path(folder)).database
        for start in range(0, ENTRIES, 1000):
            with database.begin() as uow:
                for number in range(start, start + 1000):
                    ledger.append(uow, DEV, "bench.written", f"service:s{number % 500}", data={"n": number})
        seconds, reading = [], []
        for _ in range(3):
            reading.append(timed(lambda: _read(database)))
            seconds.append(timed(lambda: _verify(database)))
        database.dispose()
    return [
        Figure(
            "core.ledger_verify_100k_s",
            median(seconds),
            "s",
            "only reading the rows",
            median(reading),
            3,
            spread(seconds),
            COMMAND,
        )
    ]


def _read(database: Database) -> None:
    with database.read() as uow:
        for _ in uow.connection.execute(sa.text("select * from ledger_entry")):
            pass


def _verify(database: Database) -> None:
    with database.read() as uow:
        assert ledger.verify_live(uow).ok
