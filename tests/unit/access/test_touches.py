"""Noting that a token is in use keeps nobody waiting."""

from __future__ import annotations

import threading
from pathlib import Path

from databases import make_database

from clearway.access import Touches
from clearway.storage import UnitOfWork


def test_a_use_is_noted_beside_the_request_and_once_a_minute(tmp_path: Path) -> None:
    """While somebody writes, the note waits, not the reader; a note that fails harms nobody."""
    database = make_database(tmp_path)
    noted, touches = threading.Event(), Touches()
    count: list[int] = []

    def note(uow: UnitOfWork) -> None:
        count.append(1)
        noted.set()

    with database.begin():  # every other writer waits
        touches.seen(database, "key", note)
        assert not noted.is_set()
    assert noted.wait(20)
    touches.seen(database, "key", note)
    database.clock.advance(61)  # type: ignore[attr-defined]
    noted.clear()
    touches.seen(database, "key", note)
    assert noted.wait(20)
    assert len(count) == 2
    database.dispose()
