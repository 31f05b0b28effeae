"""Who looks again and again rests while nobody writes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import make_database

from clearway.storage import Database, Pulse

LONG_S = 60.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = make_database(tmp_path)
    with database.begin() as uow:
        uow.connection.execute(sa.text("create table mark (n integer)"))
    yield database
    database.dispose()


@pytest.fixture
def pulse(database: Database) -> Iterator[Pulse]:
    pulse = Pulse(database)
    pulse.start()
    yield pulse
    pulse.stop()


def write(database: Database) -> None:
    with database.begin() as uow:
        uow.connection.execute(sa.text("insert into mark values (1)"))


def resting(pulse: Pulse, since: float) -> threading.Thread:
    thread = threading.Thread(target=pulse.rest, args=(LONG_S, since), daemon=True)
    thread.start()
    return thread


def test_a_commit_ends_a_rest(database: Database, pulse: Pulse) -> None:
    """A commit of another connection is felt by everybody who rests."""
    sleepers = [resting(pulse, math.inf) for _ in range(3)]
    write(database)
    for each in sleepers:
        each.join(20)
        assert not each.is_alive()


def test_a_commit_since_the_last_look_allows_no_rest(database: Database, pulse: Pulse) -> None:
    """What was written between a look and the rest after it is not slept through."""
    looked = time.monotonic()
    felt = resting(pulse, math.inf)
    write(database)
    felt.join(20)
    late = resting(pulse, looked)
    late.join(20)
    assert not late.is_alive()


def test_the_end_wakes_everybody(database: Database) -> None:
    """Nobody rests beyond the end, nor begins to."""
    pulse = Pulse(database)
    pulse.start()
    sleeper = resting(pulse, math.inf)
    pulse.stop()
    sleeper.join(20)
    assert not sleeper.is_alive()
    pulse.rest(LONG_S, math.inf)


def test_without_a_pulse_nobody_rests() -> None:
    """A database that cannot be felt is looked at as often as it always was."""
    pulse = Pulse(Database("postgresql+psycopg://nobody@127.0.0.1:1/none", lambda: datetime.now(UTC)))
    pulse.start()
    pulse.rest(LONG_S, math.inf)
    pulse.stop()
